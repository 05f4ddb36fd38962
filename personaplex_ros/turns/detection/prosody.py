"""How a voice sounds from one hundredth of a second to the next: bands, pitch, voicing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

HOPS = 4
"""Pictures of the sound in a frame; each looks at as much sound again before it."""
BANDS = 20
BAND_HZ = (100.0, 3_800.0)  # what a telephone has, too
PITCH_HZ = (65.0, 400.0)
PITCH_BELOW_HZ = 1_200.0
"""The pitch is looked for in what is below: the fundamental and its first harmonics."""
LOWEST = 1e-10
"""Power of a band below which it is silent, as of -100 dBFS."""

Sound = NDArray[np.float32]
Floats = NDArray[np.float32]


class Prosody:
    """Bands, pitch and voicing of a stream, for one thread."""

    def __init__(self, sample_rate: int, frame_size: int) -> None:
        self._hop = frame_size // HOPS
        self._window = 2 * self._hop
        self._before: Sound = np.zeros(self._hop, np.float32)
        taper = np.hanning(self._window).astype(np.float32)
        size = 1 << (2 * self._window - 1).bit_length()
        hertz = np.fft.rfftfreq(size, 1.0 / sample_rate).astype(np.float64)
        self._size, self._taper = size, taper
        self._bands = _mel_bands(hertz) / np.float32(np.sum(np.square(taper)))
        self._low = (hertz < PITCH_BELOW_HZ).astype(np.float32)
        lags = sample_rate / PITCH_HZ[1], sample_rate / PITCH_HZ[0]
        self._first, self._last = int(lags[0]), int(lags[1]) + 2
        own = np.fft.irfft(np.square(np.abs(np.fft.rfft(taper, size))))
        self._own = own[self._first : self._last] / own[0]
        self._rate = sample_rate

    def reset(self) -> None:
        """Forget the sound heard last."""
        self._before = np.zeros(self._hop, np.float32)

    def push(self, samples: Sound) -> tuple[Floats, Floats, Floats]:
        """Take the next frame, float32 [frame_size].

        Returns the logarithm to base 10 of the bands' power [HOPS, BANDS], that to base 2 of the
        pitch in Hz [HOPS], and how much of the sound repeats with it, 0 to 1 [HOPS].
        """
        sound = np.concatenate((self._before, samples[: HOPS * self._hop]))
        self._before = sound[-self._hop :]
        pieces = np.lib.stride_tricks.sliding_window_view(sound, self._window)[:: self._hop]
        power = np.square(np.abs(np.fft.rfft(pieces * self._taper, self._size)))
        bands = np.log10(power @ self._bands + LOWEST)
        again = np.fft.irfft(power * self._low)
        ratio = again[:, self._first : self._last] / (again[:, :1] + 1e-9) / self._own
        ratio[:, :-1] *= np.linspace(1.0, 0.92, ratio.shape[1] - 1)  # one period, not two
        best = np.argmax(ratio, axis=1)
        voicing = np.clip(ratio[np.arange(HOPS), best], 0.0, 1.0)
        pitch = np.log2(self._rate / (self._first + best))
        return bands.astype(np.float32), pitch.astype(np.float32), voicing.astype(np.float32)


def _mel_bands(hertz: NDArray[np.float64]) -> Floats:
    """Return triangles evenly spaced in mel [bins, BANDS]."""
    low, high = (1127.0 * np.log1p(f / 700.0) for f in BAND_HZ)
    corners = 700.0 * np.expm1(np.linspace(low, high, BANDS + 2) / 1127.0)
    rising = (hertz[:, None] - corners[:-2]) / (corners[1:-1] - corners[:-2])
    falling = (corners[2:] - hertz[:, None]) / (corners[2:] - corners[1:-1])
    return np.clip(np.minimum(rising, falling), 0.0, None).astype(np.float32)
