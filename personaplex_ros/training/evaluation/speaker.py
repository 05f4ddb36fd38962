"""Which of the robot's voices speaks: distances of mel-cepstral statistics to the synthesiser's.

A codec shifts the statistics of all voices alike, by more than they differ. So the reference for
what has passed a codec is the synthesiser passed through it, too; a codec that made two voices the
same would still be found out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.fft import dct

from personaplex_ros.training.learning.losses import mel_filters
from personaplex_ros.training.voices.speakers import AGENTS
from personaplex_ros.training.voices.speech import RATE, speak
from personaplex_ros.training.voices.speech_bank import at_level

BINS, HOP, BANDS = 513, 240, 40  # of the spectrogram
LOWER = 24  # bands, up to about 3 kHz: what a codec keeps best
FLOOR = 0.01  # of the mean energy, added to every band: quiet bands are noise, or the codec's
CEPSTRA = slice(1, 20)  # without the first, the level
LOUD_DB = 20.0  # frames so far below the loudest, or further, are not counted
SENTENCES = 3  # of a reference

Say = Callable[[Sequence[str], str], NDArray[np.float32]]  # texts, voice -> samples [n] at 24 kHz


@dataclass(frozen=True, eq=False)
class Speakers:
    """References: what each voice's statistics are on average, and how much one voice varies."""

    means: Mapping[str, NDArray[np.float64]]
    spread: NDArray[np.float64]

    @staticmethod
    def learn(texts: Sequence[str], say: Say) -> Speakers:
        """Hear every voice say ``texts``, some sentences a reference."""
        groups = [texts[i : i + SENTENCES] for i in range(0, len(texts), SENTENCES)]
        found = {
            voice: np.stack([statistics(say(group, voice)) for group in groups]) for voice in AGENTS
        }
        means = {voice: rows.mean(axis=0) for voice, rows in found.items()}
        within = np.concatenate([rows - means[voice] for voice, rows in found.items()])
        return Speakers(means, within.std(axis=0))

    def nearest(self, samples: NDArray[np.float32]) -> str:
        """Return the voice that speech float32 [n] at 24 kHz is nearest to."""
        seen = statistics(samples)

        def distance(voice: str) -> float:
            return float(np.square((seen - self.means[voice]) / self.spread).sum())

        return min(self.means, key=distance)


def statistics(samples: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return mean and standard deviation of the loud frames' cepstra: [38]."""
    window = torch.hann_window(2 * (BINS - 1))
    wave = torch.from_numpy(np.ascontiguousarray(at_level(samples)))
    spectrum = torch.stft(wave, 2 * (BINS - 1), HOP, window=window, return_complex=True).abs()
    bands = (mel_filters(BINS, RATE, BANDS)[:LOWER] @ spectrum.square()).numpy()
    level = 10 * np.log10(bands.sum(axis=0) + 1e-12)
    loud = bands[:, level > level.max() - LOUD_DB]
    loud = np.log(loud + FLOOR * loud.mean())
    cepstra = dct(loud, axis=0, norm="ortho")[CEPSTRA]
    return np.concatenate([cepstra.mean(axis=1), cepstra.std(axis=1)]).astype(np.float64)


def say_all(texts: Sequence[str], voice: str) -> NDArray[np.float32]:
    """Return sentences said by one of the robot's voices, back to back: float32 [n] at 24 kHz."""
    return np.concatenate([at_level(speak(text, AGENTS[voice]).samples) for text in texts])
