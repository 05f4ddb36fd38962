"""What a model costs in bytes: to hold, and to read for every frame.

A single conversation is bound by memory: each weight that takes part is read once a frame and
used for one multiplication. So the bytes a frame reads, over the bandwidth, are the least time
that it takes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from personaplex_ros.lm import LanguageModel, LMConfig
from personaplex_ros.lm.model import LONGEST_PASS
from personaplex_ros.mimi import Mimi, MimiConfig

RUNTIME = 500_000_000  # bytes of torch's libraries and allocator, and of the codec's streams
SCRATCH = 4  # float32 bytes of an intermediate value


@dataclass(frozen=True)
class Cost:
    """Bytes of one language model and its codec in one type.

    ``weights``: held, with the depth steps of the agent's codebooks alone. ``read``: of these, what
    a frame reads, that is all but the embedding tables, of which it takes one row each.
    ``cache_frame``: keys and values of one past frame; ``context``: the most past frames.
    ``codec``: the codec, in float32. ``prompt``: scratch space of the longest pass of a prompt.
    """

    weights: int
    read: int
    cache_frame: int
    context: int
    codec: int
    prompt: int

    @property
    def cache(self) -> int:
        """Keys and values of one conversation: the ring is as large from the start."""
        return self.cache_frame * self.context

    @property
    def held(self) -> int:
        """All that has to fit into the device's memory for one conversation."""
        return self.weights + self.cache + self.codec + self.working

    @property
    def working(self) -> int:
        """Scratch space of a prompt, and what the libraries take."""
        return self.prompt + RUNTIME

    def frame(self, past: int) -> int:
        """Return what the language model reads for a frame with ``past`` frames before it."""
        return self.read + self.cache_frame * min(past, self.context)


def cost(lm: LMConfig, codec: MimiConfig, weight: int, value: int) -> Cost:
    """Count a model with ``weight`` bytes a weight and ``value`` bytes any other value.

    Norms stay in float32, as the engine keeps them, and tables in the type of the values. Keys and
    values are one vector of the model's width each, in every layer.
    """
    live = lm.with_depth_steps(lm.codebooks)
    model = LanguageModel(live, device="meta").state_dict()
    tables = sum(value * t.numel() for name, t in model.items() if "emb." in name)
    norms = sum(4 * t.numel() for name, t in model.items() if name.endswith("alpha"))
    linear = sum(weight * t.numel() for name, t in model.items()
                 if "emb." not in name and not name.endswith("alpha"))  # fmt: skip
    # Scores and probabilities of every head, and the feed-forward network's two halves twice.
    wide = 2 * lm.heads * (lm.context + LONGEST_PASS) + 4 * lm.hidden
    return Cost(
        weights=linear + norms + tables,
        read=linear + norms,
        cache_frame=2 * lm.layers * lm.dim * value,
        context=lm.context - 1,  # see RingSpec
        codec=sum(t.numel() * 4 for t in Mimi(codec, device="meta").state_dict().values()),
        prompt=LONGEST_PASS * wide * SCRATCH,
    )


def cost_in(lm: LMConfig, codec: MimiConfig, dtype: torch.dtype) -> Cost:
    """Count a model whose weights and cache are of one torch type."""
    return cost(lm, codec, dtype.itemsize, dtype.itemsize)
