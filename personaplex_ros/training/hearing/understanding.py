"""What a finished model makes of the voices that it was made with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from personaplex_ros.lm import LanguageModel
from personaplex_ros.lm.grid import lay_out
from personaplex_ros.mimi import Mimi
from personaplex_ros.mimi.quantizer import ResidualQuantizer
from personaplex_ros.training.hearing.moments import UNKNOWN_PHONE
from personaplex_ros.training.learning import parallel
from personaplex_ros.training.learning.codec import frame_latents
from personaplex_ros.training.learning.listening import heard_loss
from personaplex_ros.training.learning.loop import Batch, Trainer
from personaplex_ros.training.voices.alignment import PHONES

LATEST = 500  # position at which a sentence may begin
FLOOR = 0.05  # what every phone of a code is counted beforehand


@dataclass(frozen=True)
class Choice:
    """Of a level: the square distances to its codes [B, F, cardinality], and the nearest [B, F]."""

    distance: Tensor
    ids: Tensor


def projected(codec: Mimi, latent: Tensor) -> tuple[Tensor, Tensor]:
    """Return latents [B, F, D] as the first quantiser sees them and as the others do."""
    first, rest = codec.quantizer.rvq_first, codec.quantizer.rvq_rest
    return (
        F.linear(latent, first.input_proj.weight[..., 0]),
        F.linear(latent, rest.input_proj.weight[..., 0]),
    )


def quantise(codec: Mimi, latent: Tensor) -> list[Choice]:
    """Quantise latents [B, F, D], with every level's distances and a way for gradients."""
    first, rest = projected(codec, latent)
    return _levels(codec.quantizer.rvq_first, first) + _levels(codec.quantizer.rvq_rest, rest)


def _levels(quantizer: ResidualQuantizer, residual: Tensor) -> list[Choice]:
    choices = []
    for level in quantizer.vq.layers:
        codebook = level.codebook
        products = residual @ codebook.centroids.t()
        length = residual.square().sum(-1, keepdim=True)
        distance = length + 2 * (codebook.half_norms - products)
        choices.append(Choice(distance, distance.argmin(-1)))
        residual = residual - codebook.centroids[choices[-1].ids]
    return choices


class Understanding(Trainer):
    """What a finished codec and language model make of familiar voices.

    ``phones_of_codes`` [2, cardinality, phones] counts which phones a frame of a code of the first
    codebook has, ``distances`` [codebooks] is the mean square distance to each level's codes,
    ``word_head`` names the words in the language model's states.
    """

    def __init__(self, codec: Mimi, lm: LanguageModel, words: int, seed: int):
        super().__init__()
        torch.manual_seed(seed)
        self.codec, self.lm = codec.requires_grad_(False), lm.requires_grad_(False)
        self.word_head = nn.Linear(lm.config.dim, words + 1)
        self.phones_of_codes: Tensor
        self.distances: Tensor
        self.variances: Tensor  # of the first quantiser's input and of the others'
        self.steps: Tensor
        counts = torch.full((2, codec.config.cardinality, len(PHONES)), FLOOR)
        self.register_buffer("phones_of_codes", counts)
        self.register_buffer("distances", torch.zeros(codec.config.codebooks))
        self.register_buffer("variances", torch.zeros(2))
        self.register_buffer("steps", torch.zeros(()))

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Return how badly familiar voices' words are named, see ``Moments``; and count."""
        with torch.no_grad():
            latent = frame_latents(self.codec, batch["alone"])
            choices = quantise(self.codec, latent)
            self._count(latent, choices, batch["phones"])
            states = self.states(self.lm.embed(self.columns(choices)))
        return {"words": self.word_loss(states, batch["heard"])}

    def columns(self, choices: Sequence[Choice]) -> Tensor:
        """Lay out what is heard while the robot is silent: int64 [B, F, rows]."""
        config = self.lm.config
        codes = torch.stack([choice.ids for choice in choices], dim=1)
        frames = torch.full((config.rows, codes.shape[2]), config.text_padding)
        frames[1 : 1 + config.codebooks] = torch.tensor(config.silence_codes)[:, None]
        rows = []
        for heard in codes:
            frames[1 + config.codebooks :] = heard.cpu()
            rows.append(lay_out(frames, config)[:, : frames.shape[1]].t())
        return torch.stack(rows).to(codes.device)

    def states(self, embedded: Tensor) -> Tensor:
        """Return the language model's states [B, F, D] for embedded columns, at any time."""
        start = int(torch.randint(LATEST, ()))
        positions = start + torch.arange(embedded.shape[1], device=embedded.device)
        layers = parallel.from_embedded(self.lm, embedded, positions.expand(embedded.shape[:2]))
        return self.lm.out_norm(layers[-1])

    def word_loss(self, states: Tensor, heard: Tensor) -> Tensor:
        """Return how badly the words int64 [B, F] are named in states [B, F, D]."""
        return heard_loss(self.word_head(states).flatten(0, 1), heard.flatten())

    def _count(self, latent: Tensor, choices: Sequence[Choice], phones: Tensor) -> None:
        sure = (phones != UNKNOWN_PHONE).all(-1)
        codes = choices[0].ids[sure]
        for place in (0, 1):
            one = torch.ones(len(codes), device=codes.device)
            at = (codes, phones[sure][:, place])
            self.phones_of_codes[place].index_put_(at, one, accumulate=True)
        self.steps += 1
        nearest = torch.stack([choice.distance.min(-1).values.mean() for choice in choices])
        self.distances += (nearest - self.distances) / self.steps
        spread = torch.stack([part.var((0, 1)).mean() for part in projected(self.codec, latent)])
        self.variances += (spread - self.variances) / self.steps
