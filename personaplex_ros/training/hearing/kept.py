"""Moments as far as the encoder's fixed layers take them, kept to be learnt from again.

Making a moment and taking it through the layers that work at the highest rates costs several times
what learning from it does, so of each batch only a few are new.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import default_collate

from personaplex_ros.mimi import Mimi
from personaplex_ros.training.hearing.moments import Moments
from personaplex_ros.training.learning.codec import encoder_layers, latents_from
from personaplex_ros.training.learning.loop import Batch


@dataclass(frozen=True)
class KeptMoments:
    """Batches of which ``fresh`` moments are new, the others any of the last ``count``.

    ``codec`` is the finished one and ``layers`` says how many of its encoder's are fixed. A batch
    depends on its step alone, so what a stopped training has lost of them is made again.
    """

    moments: Moments
    codec: Mimi
    layers: int
    fresh: int
    count: int
    _kept: dict[int, tuple[int, Batch]] = field(default_factory=dict, init=False)

    def draw(self, step: int) -> Batch:
        """Return the batch of a step: that of ``Moments`` with other sound.

        Instead of ``wave`` it has ``low`` bfloat16 [B, T, C], what the fixed layers hand on, and
        ``before`` float32 [B, F, D], the latents of the finished encoder, which hears nothing of
        what goes on around those who speak.
        """
        rng = np.random.default_rng((self.moments.seed, 1, step))
        made = (step + 1) * self.fresh
        again = rng.integers(max(0, made - self.count), made, self.moments.batch - self.fresh)
        numbers = [*range(made - self.fresh, made), *again.tolist()]
        batch: Batch = default_collate([self._row(number) for number in numbers])
        return batch

    def _row(self, number: int) -> Batch:
        place = number % self.count
        kept, row = self._kept.get(place, (-1, {}))
        if kept != number:
            row = self._made(number)
            self._kept[place] = (number, row)
        return row

    @torch.no_grad()
    def _made(self, number: int) -> Batch:
        row = self.moments.one(number)
        wave, alone = row.pop("wave"), row.pop("alone")
        low = self._low(wave)
        quiet = low if torch.equal(wave, alone) else self._low(alone)
        before = latents_from(self.codec, quiet.float(), self.layers)
        return row | {"low": low[0], "before": before[0]}

    def _low(self, wave: Tensor) -> Tensor:
        return encoder_layers(self.codec, wave[None, :, None], 0, self.layers).bfloat16()
