"""One recorded speaker made into many: another pitch, melody, vocal tract and pace."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from personaplex_ros.optional import require
from personaplex_ros.training.voices.speech import RATE

PITCH_HZ = (85.0, 300.0)  # the mean of a low man and of a child
RANGES = (0.35, 1.5)  # of the melody about its mean: from a machine's to an excited one
PACES = (0.8, 1.25)
TRACT_OF_PITCH = 0.2  # power with which resonances follow the pitch, from men to children
TRACT_SPREAD = (0.92, 1.08)  # about that
FRAME_MS = 10.0


@dataclass(frozen=True)
class VoiceChange:
    """What WORLD (Morise 2016) changes of a voice whose mean pitch is ``from_hz``.

    ``tract`` moves the resonances up by a factor, ``melody`` multiplies the pitch's intervals from
    its mean, ``pace`` is how many times as fast it is.
    """

    from_hz: float
    to_hz: float
    tract: float
    melody: float
    pace: float

    @staticmethod
    def draw(from_hz: float, rng: np.random.Generator) -> VoiceChange:
        """Draw another speaker for a voice whose mean pitch is ``from_hz``."""
        to_hz = float(np.exp(rng.uniform(*np.log(PITCH_HZ))))
        tract = (to_hz / from_hz) ** TRACT_OF_PITCH * float(rng.uniform(*TRACT_SPREAD))
        melody, pace = float(rng.uniform(*RANGES)), float(rng.uniform(*PACES))
        return VoiceChange(from_hz, to_hz, tract, melody, pace)

    def __call__(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return samples [n] at 24 kHz as the other speaker says them: [n / pace]."""
        world = require("pyworld")
        wave = samples.astype(np.float64)
        pitch, times = _pitch(wave)
        envelope = world.cheaptrick(wave, pitch, times, RATE)
        noise = world.d4c(wave, pitch, times, RATE)
        frames = np.arange(0.0, len(pitch), self.pace).astype(int)
        voiced = pitch > 0
        curve = np.zeros_like(pitch)
        curve[voiced] = self.to_hz * (pitch[voiced] / self.from_hz) ** self.melody
        tracks = (
            np.ascontiguousarray(warped(t.T, self.tract).T[frames]) for t in (envelope, noise)
        )
        changed = world.synthesize(curve[frames], *tracks, RATE, FRAME_MS)
        count = round(len(samples) / self.pace)
        return np.pad(changed, (0, max(0, count - len(changed))))[:count].astype(np.float32)


def mean_pitch(samples: NDArray[np.float32]) -> float:
    """Return the mean pitch of a voice in Hz; raises ValueError where nothing is voiced."""
    pitch, _ = _pitch(samples.astype(np.float64))
    if not pitch.any():
        raise ValueError("nothing in it is voiced")
    return float(np.exp(np.log(pitch[pitch > 0]).mean()))


def _pitch(wave: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the pitch in Hz, 0 where there is none, and the times in s, each [frames]."""
    world = require("pyworld")
    rough, times = world.dio(wave, RATE, frame_period=FRAME_MS)
    return world.stonemask(wave, rough, times, RATE), times


def warped(track: NDArray[np.floating], factor: float) -> NDArray[np.floating]:
    """Move the resonances of a spectrum [bins, frames] up by a factor."""
    places = np.minimum(np.arange(len(track)) / factor, len(track) - 1)
    low = np.minimum(places.astype(int), len(track) - 2)
    share = (places - low)[:, None].astype(track.dtype)
    moved: NDArray[np.floating] = track[low] * (1 - share) + track[low + 1] * share
    return moved
