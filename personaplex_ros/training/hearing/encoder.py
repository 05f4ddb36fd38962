"""The codec's encoder is taught voices that it was not made with; all else stays as it is.

A codec that was made with one synthesiser turns other voices into codes that mean other sounds: of
a natural voice's phones half as many can be told from the first codebook. Here its encoder learns
to give what they say codes that the language model understands, and the model's embeddings of what
it hears learn with it. Two things tell how. The phones that each code of the first codebook stands
for were counted with familiar voices; and a head, fitted to them as well, names the words in the
language model's states. Gradients reach the encoder as if it chose among codes by their distances.
For familiar voices, the robot's own among them, and for silence it is held to what it was, so that
voice prompts and all that was learnt stay valid.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from personaplex_ros.training.hearing.moments import UNKNOWN_PHONE
from personaplex_ros.training.hearing.understanding import (
    Choice,
    Understanding,
    projected,
    quantise,
)
from personaplex_ros.training.learning.blending import check_share
from personaplex_ros.training.learning.codec import downsampled, encoded_from
from personaplex_ros.training.learning.loop import Batch, Trainer
from personaplex_ros.training.learning.precision import half_products


@dataclass(frozen=True)
class HearingTraining:
    """How the encoder is trained."""

    batch: int = 8
    fresh: int = 3  # of a batch; the others were learnt from before
    recent: int = 3000  # moments that are kept for that, 0.6 MB each
    frames: int = 46  # of a sentence with the room before and after
    fixed_layers: int = 7  # of the encoder, which work at the highest rates
    words: float = 0.5
    phones: float = 1.0
    kept: float = 3.0  # weight of staying as it was
    unfamiliar: float = 0.05  # share of that for what unfamiliar voices say
    near: float = 0.05  # weight of the distance to the codes
    softness: float = 0.5  # of the choice among codes, against the usual distance
    coarse: float = 0.3  # share of the sentences of which finer codebooks are hidden, from any on
    dropped: float = 0.05  # share of the codes that are hidden
    learnt: float = 1.0  # share in the weights of what they then became, see `blend`
    seed: int = 4

    def __post_init__(self) -> None:
        if not 0 < self.fresh <= self.batch:
            raise ValueError(f"fresh is {self.fresh}; of a batch of {self.batch}, 1 to all are new")
        check_share(self.learnt)


class HearingTrainer(Trainer):
    """The codec's encoder above its first layers, and the model's embeddings of what it hears."""

    def __init__(self, understanding: Understanding, settings: HearingTraining):
        super().__init__()
        torch.manual_seed(settings.seed)
        self.settings = settings
        self.understanding = understanding.requires_grad_(False)
        self.codec = copy.deepcopy(understanding.codec)
        self.lm = copy.deepcopy(understanding.lm)
        for part in (
            *list(self.codec.encoder.model)[settings.fixed_layers :],
            self.codec.encoder_transformer,
            self.codec.downsample,
            *list(self.lm.emb)[self.lm.config.codebooks :],
        ):
            part.requires_grad_(True)
        self.chances: Tensor
        counts = understanding.phones_of_codes
        self.register_buffer("chances", counts / counts.sum(-1, keepdim=True), persistent=False)

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Return the weighted losses of a batch, see ``KeptMoments``."""
        settings, known, low = self.settings, self.understanding, batch["low"].float()
        with half_products(low.device):
            encoded = encoded_from(self.codec, low, settings.fixed_layers)
        latent = downsampled(self.codec, encoded.float())
        choices = quantise(self.codec, latent)
        near = torch.stack(
            [
                choice.distance.min(-1).values.mean() / usual
                for choice, usual in zip(choices, known.distances, strict=True)
            ]
        )
        stays = batch["familiar"][:, None] | ~batch["spoken"]
        return {
            "words": settings.words * self._word_loss(choices, batch["heard"]),
            "phones": settings.phones * self._phone_loss(choices[0], batch["phones"]),
            "kept": settings.kept * self._change(latent - batch["before"], stays),
            "near": settings.near * near.mean(),
        }

    def _soft(self, choice: Choice, level: int) -> Tensor:
        """Return the chances [B, F, cardinality] with which codes would be chosen."""
        scale = 2 * self.settings.softness * self.understanding.distances[level]
        return (-choice.distance / scale).softmax(-1)

    def _phone_loss(self, choice: Choice, phones: Tensor) -> Tensor:
        sure = (phones != UNKNOWN_PHONE).all(-1)
        codes = self._soft(choice, 0)[sure]
        parts = [
            (codes @ self.chances[place]).gather(1, phones[sure][:, place, None]).clamp_min(1e-6)
            for place in (0, 1)
        ]
        return -torch.cat(parts).log().mean()

    def _word_loss(self, choices: Sequence[Choice], heard: Tensor) -> Tensor:
        """Return how badly the language model understands; its input is that of the codes chosen.

        The gradient is that of all codes, weighed by their chances.
        """
        lm, config = self.lm, self.lm.config
        columns = self.understanding.columns(choices)
        hidden = self._hidden(columns)
        soft = []
        for level, choice in enumerate(choices):
            row = config.codebooks + level
            table = lm.emb[row].weight[: config.cardinality].detach()
            delay = config.delays[1 + row]
            blend = F.pad(self._soft(choice, level) @ table, (0, 0, delay, 0))
            soft.append(blend[:, : heard.shape[1]] * ~hidden[..., 1 + row, None])
        blended = torch.stack(soft).sum(0)
        embedded = lm.embed(columns.masked_fill(hidden, -1)) + blended - blended.detach()
        with half_products(embedded.device):
            states = self.understanding.states(embedded)
        return self.understanding.word_loss(states.float(), heard)

    def _hidden(self, columns: Tensor) -> Tensor:
        """Choose codes that are not heard, as its training did: bool [B, F, rows]."""
        settings, count = self.settings, self.lm.config.codebooks
        device, rows = columns.device, len(columns)
        hidden = torch.rand(columns.shape, device=device) < settings.dropped
        kept = torch.randint(1, count + 1, (rows, 1, 1), device=device)
        coarse = torch.rand(rows, 1, 1, device=device) < settings.coarse
        hidden[..., 1 + count :] |= (torch.arange(count, device=device) >= kept) & coarse
        hidden[..., : 1 + count] = False
        return hidden

    def _change(self, change: Tensor, stays: Tensor) -> Tensor:
        parts = [part.square().mean(-1) for part in projected(self.codec, change)]
        spread = self.understanding.variances
        both = parts[0] / spread[0] + parts[1] / spread[1]
        return (both * torch.where(stays, 1.0, self.settings.unfamiliar)).mean()
