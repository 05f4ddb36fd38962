"""Whether a sound rises and falls as what was played does, and how much of that comes back."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

EDGES_HZ = (100, 300, 600, 1_000, 1_600, 2_500, 4_000, 8_000)
WINDOWS = 12
"""Over which envelopes are compared, of 32 ms each."""
DECAY = 0.55
"""Of the room from one window to the next, as of 0.75 s of reverberation."""
PLAYED_DBFS = -50.0
QUIET = 1e-8
"""Power below which a band is silent."""
MEMORY = 60
"""Windows over which the losses are averaged."""

Sound = NDArray[np.float32]


class OwnVoice:
    """Compares a sound with what was played, by the envelopes of seven bands.

    `follow` takes windows of one length. The likeness of the robot's echo in a room is above 0.75
    in all but a few windows of a hundred, that of a person who speaks as loud at the same time is
    below 0.7 in most: a pause of the one is not a pause of the other.
    """

    def __init__(self, sample_rate: int) -> None:
        self._rate = sample_rate
        self._length = 0
        self._raw = self._clean = self._played = 0.0
        self._windows = 0
        self.reset()

    def reset(self) -> None:
        """Forget the sounds, not the losses."""
        bands = len(EDGES_HZ) - 1
        self._levels = np.zeros((3, WINDOWS, bands))
        self._echo = np.zeros(bands)
        self._count = self._silent = 0
        self.likeness: float | None = None

    @property
    def losses_db(self) -> tuple[float | None, float | None]:
        """By how much the echo is softer than what was played, and by how much it is cancelled."""
        if self._windows < WINDOWS or not self._raw or not self._played:
            return None, None
        cancelled = self._raw / max(self._clean, 1e-12)
        return 10 * float(np.log10(self._played / self._raw)), 10 * float(np.log10(cancelled))

    def follow(self, clean: Sound, raw: Sound, played: Sound) -> bool:
        """Take a window of each; return whether anything was played lately.

        clean: the microphone without echo, raw: with it, played: what reaches it of what was
        played. `likeness` is that of `clean` to `played`, -1 to 1; None before there is enough.
        """
        if len(clean) != self._length:
            self._prepare(len(clean))
        powers = np.square(np.abs(np.fft.rfft(np.stack((clean, raw, played)) * self._taper)))
        bands = np.add.reduceat(powers, self._edges, axis=1)[:, :-1] * self._scale
        self._echo = np.maximum(bands[2], DECAY * self._echo)
        sounding = bool(self._echo.sum() >= 10 ** (PLAYED_DBFS / 10))
        self._silent = 0 if sounding else self._silent + 1
        if self._silent >= WINDOWS:
            self._count, self.likeness = 0, None
            return False
        bands[2] = self._echo
        self._levels[:, :-1] = self._levels[:, 1:]
        self._levels[:, -1] = np.log10(bands + QUIET)
        self._count = min(self._count + 1, WINDOWS)
        if self._count < WINDOWS:
            return True
        self.likeness, raw_likeness = (
            _correlation(self._levels[at], self._levels[2]) for at in (0, 1)
        )
        if raw_likeness >= 0.75 and sounding:
            self._average(*(float(np.mean(np.square(part))) for part in (clean, raw, played)))
        return True

    def _average(self, clean: float, raw: float, played: float) -> None:
        self._windows = min(self._windows + 1, MEMORY)
        share = 1.0 / self._windows
        self._clean += share * (clean - self._clean)
        self._raw += share * (raw - self._raw)
        self._played += share * (played - self._played)

    def _prepare(self, length: int) -> None:
        self._length = length
        self._taper = np.hanning(length).astype(np.float32)
        self._edges = np.array(EDGES_HZ) * length // self._rate
        self._scale = 2.0 / (length * float(np.sum(np.square(self._taper))))


def _correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Return the correlation of levels [windows, bands], those of each band about their mean."""
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    size = float(np.sqrt(np.sum(np.square(a)) * np.sum(np.square(b))))
    return float(np.sum(a * b)) / size if size > 0.0 else 0.0
