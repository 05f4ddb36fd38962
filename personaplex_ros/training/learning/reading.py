"""The first steps of the language model: to know, at the end of a prompt, who it says one is.

A fact is a token among hundreds of frames, and is asked for in few of them. In whole conversations
reading it was not learnt in 5000 steps; with nothing else to learn it takes some 500 short ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from personaplex_ros.checkpoint import TextTokenizer
from personaplex_ros.lm import LMConfig
from personaplex_ros.lm.grid import lay_out
from personaplex_ros.persona import tagged
from personaplex_ros.prompt import prompt_frames
from personaplex_ros.training.chance import pick
from personaplex_ros.training.learning import parallel
from personaplex_ros.training.learning.language import LanguageTrainer, middle
from personaplex_ros.training.learning.loop import Batch, Trainer
from personaplex_ros.training.world import World

BATCH = 24
VOICE_FRAMES = (10, 30)  # of the voice prompt
ASKED_FRAMES = 5  # at the prompt's end


@dataclass(frozen=True)
class Prompts:
    """Random batches of prompts."""

    world: World
    voices: Mapping[str, Sequence[NDArray[np.int16]]]  # prompts of each, as codes
    tokenizer: TextTokenizer
    config: LMConfig
    frame_rate: float
    seed: int

    def draw(self, step: int) -> Batch:
        """Return ``columns`` int64 [B, T, rows], where they ``end`` [B], and ``facts`` [B, 6]."""
        rng = np.random.default_rng((self.seed, step))
        drawn = [self._prompt(rng) for _ in range(BATCH)]
        ends = torch.tensor([len(columns) for columns, _ in drawn])
        columns = torch.full((BATCH, int(ends.max()), self.config.rows), -1)
        for row, (prompt, _) in enumerate(drawn):
            columns[row, : len(prompt)] = prompt
        return {"columns": columns, "end": ends, "facts": torch.tensor([f for _, f in drawn])}

    def _prompt(self, rng: np.random.Generator) -> tuple[Tensor, list[int]]:
        facts, voice = self.world.random_facts(rng), pick(list(self.voices), rng)
        codes = pick(self.voices[voice], rng)[:, : rng.integers(*VOICE_FRAMES)]
        text = self.tokenizer.encode(tagged(self.world.prompt(facts, rng)))
        frames = prompt_frames(self.config, self.frame_rate, torch.from_numpy(codes).long(), text)
        columns = lay_out(frames, self.config).t()[: frames.shape[1]]
        return columns, [*self.world.numbers(facts), list(self.voices).index(voice)]


class ReadingTrainer(Trainer):
    """Trains a language model to read prompts, and nothing else."""

    def __init__(self, learner: LanguageTrainer):
        super().__init__()
        self.learner = learner

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Return what is not known of the facts at the prompts' ends, see ``Prompts.draw``."""
        columns, ends = batch["columns"], batch["end"]
        positions = torch.arange(columns.shape[1], device=columns.device).expand(columns.shape[:2])
        known = middle(parallel.temporal(self.learner.model, columns, positions))
        asked = ends[:, None] - 1 - torch.arange(ASKED_FRAMES, device=columns.device)
        states = known.gather(1, asked[..., None].expand(-1, -1, known.shape[-1])).flatten(0, 1)
        facts = batch["facts"].repeat_interleave(ASKED_FRAMES, dim=0)
        return {"facts": self.learner.fact_loss(states, facts)}
