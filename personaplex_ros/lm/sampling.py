"""Choosing a token from logits: temperature and top-k, or the most likely one.

Random numbers are drawn on the host, a generator a conversation, as Gumbel noise for the k ranks
of each draw. So a conversation's choices depend on its seed alone, not on who else is in the
batch, and the device only adds and takes the largest (the Gumbel-max trick).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from personaplex_ros.conversing.sampling import Sampling


@dataclass
class Draw:
    """Parameters and noise of one kind of token for B conversations."""

    temperature: Tensor  # float32 [B, 1]
    top_k: Tensor  # int64 [B, 1]
    noise: Tensor  # float32 [B, draws a frame, ranks], Gumbel distributed; zeros when greedy
    peak: Tensor  # float32 [B, draws a frame], the largest logit; not finite if one is NaN or inf


def choose(logits: Tensor, draw: Draw, number: int) -> Tensor:
    """Choose ids int64 [B] from logits [B, V] with the ``number``-th noise of the frame.

    Notes the largest logit in ``draw.peak``.
    """
    ranks = draw.noise.shape[-1]
    values, ids = logits.float().topk(ranks, dim=-1)  # NaN counts as the largest
    draw.peak[:, number] = values[:, 0]
    score = values / draw.temperature + draw.noise[:, number]
    rank = torch.arange(ranks, device=logits.device)
    score = score.masked_fill(rank >= draw.top_k, -torch.inf)
    return ids.gather(1, score.argmax(-1, keepdim=True))[:, 0]


class Sampler:
    """Holds what ``choose`` needs for B conversations, and refills the noise frame by frame.

    Noise is drawn into memory of the host, ``upload`` takes it to the device. There are as many
    ranks as the largest top-k so far; ``moves`` counts how often more were needed, so that the
    tensors of ``text`` and ``audio`` have changed places.
    """

    def __init__(self, batch: int, audio_draws: int, vocabularies: tuple[int, int],
                 device: torch.device | str, ranks: tuple[int, int] = (1, 1)):  # fmt: skip
        self._vocabularies = vocabularies
        self._device = torch.device(device)
        self._settings = [Sampling(greedy=True)] * batch
        self._generators = [torch.Generator() for _ in range(batch)]
        self._draws = (1, audio_draws)
        self.moves = 0
        self._make_room(ranks)
        for row in range(batch):
            self._write(row)

    def start(self, row: int, settings: Sampling, seed: int) -> None:
        """Begin a conversation in row ``row`` with its own settings and seed."""
        self._generators[row].manual_seed(seed)
        self.change(row, settings)

    def change(self, row: int, settings: Sampling) -> None:
        """Go on with other settings."""
        self._settings[row] = settings
        room = (self.text.noise.shape[2], self.audio.noise.shape[2])
        needed = (self._top_k(0, row), self._top_k(1, row))
        if needed[0] > room[0] or needed[1] > room[1]:
            self.moves += 1
            self._make_room((max(needed[0], room[0]), max(needed[1], room[1])))
            for other in range(len(self._settings)):
                self._write(other)
        self._write(row)

    def refill(self, rows: list[int]) -> None:
        """Draw the noise of the next frame for the conversations that take part in it.

        Each draws as much as its own top-k needs, so its numbers do not depend on the others'.
        """
        for kind, host in enumerate(self._host):
            for row in rows:
                if not self._settings[row].greedy:
                    noise = torch.empty(self._draws[kind], self._top_k(kind, row))
                    noise.exponential_(generator=self._generators[row]).log_().neg_()
                    host[row, :, : noise.shape[1]].copy_(noise)

    def upload(self, rows: int | None = None) -> None:
        """Take the noise of the first ``rows`` conversations (None: of all) to the device."""
        for draw, host in zip((self.text, self.audio), self._host, strict=True):
            if draw.noise is not host:
                draw.noise[:rows].copy_(host[:rows], non_blocking=True)

    def _top_k(self, kind: int, row: int) -> int:
        settings = self._settings[row]
        top_k = (settings.text_top_k, settings.audio_top_k)[kind]
        return 1 if settings.greedy else min(self._vocabularies[kind], top_k)

    def _make_room(self, ranks: tuple[int, int]) -> None:
        batch, device = len(self._settings), self._device
        on_host = device.type == "cpu"
        self._host = [
            torch.zeros(batch, self._draws[kind], ranks[kind], pin_memory=device.type == "cuda")
            for kind in range(2)
        ]
        self.text, self.audio = (
            Draw(
                torch.ones(batch, 1, device=device),
                torch.ones(batch, 1, dtype=torch.int64, device=device),
                host if on_host else torch.zeros_like(host, device=device),
                torch.zeros(batch, host.shape[1], device=device),
            )
            for host in self._host
        )

    def _write(self, row: int) -> None:
        settings = self._settings[row]
        for kind, draw in enumerate((self.text, self.audio)):
            heat = (settings.text_temperature, settings.audio_temperature)[kind]
            draw.temperature[row] = 1.0 if settings.greedy else heat
            draw.top_k[row] = self._top_k(kind, row)
