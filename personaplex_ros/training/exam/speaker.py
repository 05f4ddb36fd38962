"""Which of the voices it is: a simple distance between speakers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from personaplex_ros.training.losses import Spectrum, mel_filters
from personaplex_ros.training.speech import RATE

SIZE, BANDS = 1024, 40


class SpeakerCheck:
    """Knows each voice by the mean and spread of its log-mel spectrum over loud frames."""

    def __init__(self, samples: Mapping[str, Sequence[NDArray[np.float32]]]):
        self._names = list(samples)
        described = [np.stack([describe(s) for s in samples[name]]) for name in self._names]
        self._scale = np.concatenate([d - d.mean(0) for d in described]).std(0) + 1e-6
        self._means = np.stack([d.mean(0) for d in described])

    def nearest(self, samples: NDArray[np.float32]) -> str:
        """Return the name of the voice nearest to samples [n] at 24 kHz."""
        distance = np.square((self._means - describe(samples)) / self._scale).sum(1)
        return self._names[int(distance.argmin())]


def describe(samples: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return mean and spread of the log-mel bands [2 * 40], the level taken out."""
    spectrum = Spectrum(SIZE, SIZE // 4)(torch.from_numpy(samples)[None])[0]
    mel = (mel_filters(SIZE // 2 + 1, RATE, BANDS) @ spectrum.square() + 1e-6).log().numpy()
    loud = mel.mean(0) > mel.mean(0).max() - 5.0
    voiced = mel[:, loud] - mel[:, loud].mean()
    return np.concatenate([voiced.mean(1), voiced.std(1)])
