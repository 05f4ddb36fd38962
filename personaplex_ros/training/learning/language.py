"""Training of the small language model on conversations in tokens.

Losses as published: text with its padding counting less (PersonaPlex, arXiv 2602.06053), the
semantic codebook above the acoustic ones (Moshi, section 4.4), the prompt not at all; the user's
streams are input only. Two heads are thrown away afterwards. One names the caller's words as they
end, so that listening is learnt from every word and not from the answers alone. The other names the
persona's facts and voice at any time, so that the prompts are read before a fact is asked for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from personaplex_ros.checkpoint import TextTokenizer
from personaplex_ros.lm import LanguageModel, LMConfig
from personaplex_ros.lm.grid import lay_out
from personaplex_ros.persona import tagged
from personaplex_ros.prompt import prompt_frames
from personaplex_ros.training.chance import pick
from personaplex_ros.training.conversations.corpus import NOTHING_HEARD, Example
from personaplex_ros.training.learning import parallel
from personaplex_ros.training.learning.listening import heard_loss
from personaplex_ros.training.learning.loop import Batch, Trainer
from personaplex_ros.training.learning.precision import half_products


@dataclass(frozen=True)
class LanguageTraining:
    """How the language model is trained."""

    batch: int = 3
    frames: int = 540  # the longest sequence, prompt included
    padding: float = 0.3  # weight of PAD against words
    semantic: float = 2.0  # weights of the first codebook and of each other, text being 1
    acoustic: float = 0.4
    decisive: float = 5.0  # weight of onsets, facts and giving way, against the rest
    heard: float = 0.3  # weight of the caller's words
    facts: float = 0.3  # weight of the persona's facts and voice
    listening: float = 0.12  # share of the columns without the agent's voice that are scored
    dropped: float = 0.1  # share of the user's codes, and of the voice prompt's, that are hidden
    coarse: float = 0.5  # share of the sequences that hide the user's finer codebooks, from any on
    cut: int = 10  # frames, at most, by which a voice prompt is cut at its beginning
    apart: int = 1200  # frames, at most, by which prompt and conversation are moved apart
    seed: int = 2


@dataclass(frozen=True)
class Batches:
    """Random batches of conversations with fresh prompts."""

    example: Callable[[np.random.Generator], Example]  # draws a conversation
    voices: Mapping[str, Sequence[NDArray[np.int16]]]  # prompts of each, as codes
    tokenizer: TextTokenizer
    config: LMConfig
    settings: LanguageTraining
    frame_rate: float

    def draw(self, step: int) -> Batch:
        """Return the batch of a step, see ``LanguageTrainer.losses``."""
        settings = self.settings
        rng = np.random.default_rng((settings.seed, step))
        length = settings.frames
        columns = torch.full((settings.batch, length + 1, self.config.rows), -1)
        positions = torch.zeros(settings.batch, length, dtype=torch.int64)
        heard = torch.full((settings.batch, length), NOTHING_HEARD)
        scored = torch.zeros(settings.batch, length, dtype=torch.bool)
        decisive = torch.zeros(settings.batch, length, dtype=torch.bool)
        given = torch.zeros(settings.batch, length, dtype=torch.bool)
        facts = []
        for row in range(settings.batch):
            example = self.example(rng)
            codes = pick(self.voices[example.voice], rng)[:, int(rng.integers(settings.cut + 1)) :]
            voice = torch.from_numpy(codes).long()
            text = self.tokenizer.encode(tagged(example.prompt))
            prompt = prompt_frames(self.config, self.frame_rate, voice, text)
            start = prompt.shape[1]
            room = length - start
            rows = torch.from_numpy(example.rows[:, :room]).long()
            laid = lay_out(torch.cat([prompt, rows], dim=1), self.config).t()
            used = min(len(laid) - 2, length)
            columns[row, : used + 1] = laid[: used + 1]
            gap = int(rng.integers(settings.apart)) if rng.random() < 0.5 else 0
            positions[row] = torch.arange(length) + gap * (torch.arange(length) >= start)
            words = torch.from_numpy(example.heard[: max(0, used - start)]).long()
            heard[row, start : start + len(words)] = words
            for marks, marked in ((decisive, example.decisive), (given, example.given)):
                marks[row, start : start + len(words)] = torch.from_numpy(marked[: len(words)])
            facts.append(torch.from_numpy(example.facts).long())
            # Call s gives column s: the first of the conversation is that of its frame 0.
            scored[row, start:used] = True
        return {
            "columns": columns, "positions": positions, "heard": heard, "scored": scored,
            "decisive": decisive, "given": given, "facts": torch.stack(facts),
        }  # fmt: skip


class LanguageTrainer(Trainer):
    """The language model with what only its training needs."""

    def __init__(
        self, config: LMConfig, words: int, facts: Sequence[int], settings: LanguageTraining
    ):
        """Begin a model; there are so many caller's words, and values of each fact."""
        super().__init__()
        torch.manual_seed(settings.seed)
        self.settings = settings
        self.model = LanguageModel(config, dtype=torch.float32)
        initialise(self.model)
        self.heard_head = nn.Linear(config.dim, words + 1)
        self.fact_sizes = list(facts)
        self.fact_head = nn.Linear(config.dim, sum(facts))

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Return the weighted losses of a batch.

        ``columns`` int64 [B, T + 1, rows] of the token grid; ``positions`` int64 [B, T];
        ``heard`` int64 [B, T], the caller's words; ``scored`` bool [B, T], the conversation;
        ``decisive`` and ``given`` bool [B, T], ``facts`` int64 [B, facts], see ``Example``.
        """
        settings, model, config = self.settings, self.model, self.model.config
        columns, scored = batch["columns"], batch["scored"]
        inputs = self._hide(columns[:, :-1], scored)
        with half_products(columns.device):
            layers = parallel.temporal(model, inputs, batch["positions"])
        hidden = model.out_norm(layers[-1])
        targets = columns[:, 1:]
        # Column s is predicted from s - 1; scored[s] marks the columns of the conversation.
        learnt = scored & ~batch["given"]
        wanted = torch.cat([learnt[:, 1:], learnt[:, :1] & False], dim=1)
        decisive = batch["decisive"].roll(-1, dims=1)[wanted]
        stress = torch.where(decisive, settings.decisive, 1.0)
        text = targets[..., 0][wanted]
        states = hidden[wanted]
        logits = model.text_linear(states)
        weight = torch.where(text == config.text_padding, settings.padding * stress, stress)
        text_loss = F.cross_entropy(logits, text, reduction="none")

        agent = targets[..., 1 : 1 + config.codebooks][wanted]
        quiet = (agent == agent.new_tensor(config.silence_codes)).all(-1) & (
            text == config.text_padding
        )
        sampled = quiet & ~decisive
        keep = ~sampled | (torch.rand(len(quiet), device=agent.device) < settings.listening)
        keep_weight = torch.where(sampled, 1 / settings.listening, stress)[keep]
        codes = torch.cat([text[:, None], agent[:, :-1]], dim=1)[keep]
        with half_products(columns.device):
            depth_logits = parallel.depth(model, states[keep], codes)
        code_loss = F.cross_entropy(
            depth_logits.float().flatten(0, 1), agent[keep].flatten(), reduction="none"
        ).view(-1, config.codebooks)
        code_loss = (code_loss * keep_weight[:, None]).sum(0) / len(quiet)

        heard = heard_loss(self.heard_head(hidden[scored]), batch["heard"][scored])
        facts = batch["facts"].repeat_interleave(scored.sum(dim=1), dim=0)
        return {
            "text": (text_loss * weight).sum() / weight.sum(),
            "semantic": settings.semantic * code_loss[0],
            "acoustic": settings.acoustic * code_loss[1:].sum(),
            "heard": settings.heard * heard,
            "facts": settings.facts * self.fact_loss(middle(layers)[scored], facts),
        }

    def fact_loss(self, states: Tensor, facts: Tensor) -> Tensor:
        """Return how much of facts int64 [N, facts] is not known in ``middle`` states [N, D]."""
        logits = self.fact_head(F.rms_norm(states, states.shape[-1:]))
        parts = logits.split(self.fact_sizes, dim=-1)
        losses = [F.cross_entropy(part, facts[:, k]) for k, part in enumerate(parts)]
        return torch.stack(losses).mean()

    def _hide(self, columns: Tensor, scored: Tensor) -> Tensor:
        """Hide some codes, so that listening relies on what voices have in common.

        Hidden are codes of the user, and the agent's where they are a prompt: who knows a voice by
        one frame of a prompt heard often does not know it by another prompt.
        """
        settings, count, device = self.settings, self.model.config.codebooks, columns.device
        hidden = torch.rand(columns.shape, device=device) < settings.dropped
        user = hidden[..., 1 + count :]
        kept = torch.randint(1, count + 1, (len(columns), 1, 1), device=device)
        whole = torch.rand(len(columns), 1, 1, device=device) >= settings.coarse
        user |= (torch.arange(user.shape[-1], device=device) >= kept) & ~whole
        hidden[..., 1 : 1 + count] &= ~scored[..., None]
        hidden[..., 0] = False
        return columns.masked_fill(hidden, -1)


def middle(layers: list[Tensor]) -> Tensor:
    """Return what the layer at two thirds hands on: those above have yet to choose from facts."""
    return layers[len(layers) * 2 // 3 - 1]


def initialise(model: LanguageModel) -> None:
    """Start with signals of about unit size, and residual branches that add little."""
    layers = {"transformer.": model.config.layers, "depformer.": model.config.depth_layers}
    for name, parameter in model.named_parameters():
        if "norm" in name:
            continue
        std = 1 / math.sqrt(parameter.shape[-1])
        if "emb" in name:
            std = 0.3
        for prefix, count in layers.items():
            if name.startswith(prefix) and name.endswith(("out_proj.weight", "linear_out.weight")):
                std /= math.sqrt(2 * count)
        nn.init.normal_(parameter, std=std)
