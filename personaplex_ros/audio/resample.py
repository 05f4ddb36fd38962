"""Sample rate conversion of whole signals and of streams (libsoxr by way of soxr)."""

from __future__ import annotations

import numpy as np
import soxr
from numpy.typing import NDArray

MOST_PACE = 0.01
"""Largest change of pace that a PacedResampler takes."""


def resample(samples: NDArray[np.floating], rate_in: int, rate_out: int) -> NDArray[np.float32]:
    """Resample a whole signal [n] to float32 [round(n * rate_out / rate_in)].

    Zero phase: sample k of the result is the signal at time k / rate_out.
    """
    _check_rates(rate_in, rate_out)
    if samples.ndim != 1:
        raise ValueError(f"samples must be [n], got {samples.shape}; use to_mono first")
    samples = samples.astype(np.float32, copy=False)
    if rate_in == rate_out:
        return samples
    length = (2 * len(samples) * rate_out + rate_in) // (2 * rate_in)
    result = soxr.resample(samples, rate_in, rate_out, quality="VHQ")[:length]
    return np.pad(result, (0, length - len(result)))


class StreamResampler:
    """Resamples a mono stream chunk by chunk; the result does not depend on the chunking.

    Group delay: sample k of all that was returned is the input at time k / rate_out, within
    0.11 ms (libsoxr drops its own filter delay at the start), and 0 where the rates are equal.
    What remains is latency: the last input samples are held back until their successors arrive,
    a constant 5 ms from 48 to 24 kHz, 15 ms from 16 to 24 kHz, 10 ms from 24 to 16 kHz.
    `latency_s` tells it.

    libsoxr's variable-rate engine is used at a fixed ratio: its time-domain filters answer with a
    constant latency, where the block transforms of the fixed-rate engine hold back up to 38 ms
    ("HQ") and hand over 30 ms at once. Passband flat to 0.9 of the lower Nyquist frequency, noise
    and aliases below -110 dB.
    """

    def __init__(self, rate_in: int, rate_out: int) -> None:
        _check_rates(rate_in, rate_out)
        self.rate_in = rate_in
        self.rate_out = rate_out
        self._pushed = 0
        self._returned = 0
        self._stream = (
            None
            if rate_in == rate_out
            else soxr.ResampleStream(rate_in, rate_out, 1, dtype="float32", quality="HQ", vr=True)
        )

    @property
    def latency_s(self) -> float:
        """Seconds of input that were pushed and not returned yet."""
        return self._pushed / self.rate_in - self._returned / self.rate_out

    def push(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Take the next samples, float32 [n], and return those that are ready, float32 [m]."""
        if self._stream is None:
            return samples
        resampled = self._stream.resample_chunk(samples)
        self._pushed += len(samples)
        self._returned += len(resampled)
        return resampled

    def reset(self) -> None:
        """Forget the stream so far; the next sample pushed is time 0."""
        self._pushed = self._returned = 0
        if self._stream is not None:
            self._stream.clear()


class PacedResampler:
    """Resamples a mono stream and makes a little more or less of it, as `pace` says.

    pace: share of samples to make more than the rates say, within `MOST_PACE`; it is reached over
    the next samples pushed, without a step. Quality as of `StreamResampler`; what remains inside is
    a constant 10 ms.
    """

    def __init__(self, rate_in: int, rate_out: int) -> None:
        _check_rates(rate_in, rate_out)
        self.rate_in = rate_in
        self.rate_out = rate_out
        self.pace = self._reached = 0.0
        # The engine is made for the largest ratio that it will be asked for.
        self._stream = soxr.ResampleStream(
            rate_in * (1.0 + MOST_PACE), rate_out, 1, dtype="float32", quality="HQ", vr=True
        )
        self.reset()

    def push(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Take the next samples, float32 [n], and return those that are ready, float32 [m]."""
        if self.pace != self._reached:
            self._reached = self.pace
            self._stream.set_io_ratio(self.rate_in, self.rate_out * (1.0 + self.pace), len(samples))
        return self._stream.resample_chunk(samples)

    def reset(self) -> None:
        """Forget the stream so far; the pace stays."""
        self._stream.clear()
        self._stream.set_io_ratio(self.rate_in, self.rate_out * (1.0 + self.pace))
        self._reached = self.pace


def _check_rates(rate_in: int, rate_out: int) -> None:
    if rate_in < 1 or rate_out < 1:
        raise ValueError(f"sample rates must be positive, got {rate_in} and {rate_out} Hz")
