"""From several channels of any scale to the one signal that is heard."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .chunk import AudioChunk
from .pcm import int16_to_float32

LEFT_OF_IT = 0.1
"""Share of the louder channel's energy that the average of two must keep, or they cancel."""
FORGET = 0.9  # of the energies so far, from one chunk to the next
INTEGER_SCALES = (2.0**15, 2.0**23, 2.0**31)
"""Full scale of samples that were made float without being divided."""


def to_mono(samples: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return what is heard of [n, channels] as float32 [n]; [n] stays as it is.

    That is the average of two channels, or one channel where `heard_channel` says so.
    """
    if samples.ndim == 1:
        return samples.astype(np.float32, copy=False)
    if samples.ndim != 2 or samples.shape[1] == 0:
        raise ValueError(f"samples must be [n] or [n, channels], got {samples.shape}")
    channel = heard_channel(samples)
    if channel is not None:
        return samples[:, channel].astype(np.float32)
    return samples.mean(axis=1, dtype=np.float32)


def heard_channel(samples: NDArray[np.floating]) -> int | None:
    """Return the only one of the channels of [n, channels] that is heard; None for the average.

    Of two that cancel each other it is the louder. Of more it is the first that is not silent: the
    others of a microphone array differ in phase, and one may carry the loudspeaker.
    """
    count = samples.shape[1]
    if count > 2:
        return next((channel for channel in range(count) if samples[:, channel].any()), 0)
    return _not_cancelled(_energies(samples)) if count == 2 else None


def channel_remark(samples: NDArray[np.floating]) -> str:
    """Say which channel of [n, channels] alone is heard, and why; empty for the average."""
    channel = heard_channel(samples)
    if channel is None:
        return ""
    if samples.shape[1] > 2:
        return f"of its {samples.shape[1]} channels only channel {channel + 1} is heard"
    return f"its two channels cancel each other: only the louder, channel {channel + 1}, is heard"


@dataclass(frozen=True)
class MonoSamples:
    """Samples made fit for use, with the number of those that had to be changed."""

    samples: NDArray[np.float32]
    not_finite: int
    clipped: int


class StreamMono:
    """Makes usable chunks of one stream mono: float32 [frames] in [-1, 1].

    What is no number, or larger than any scale, becomes 0 and what is out of range is clipped; both
    are counted per interleaved sample. Float samples that were never divided by the full scale of
    the integers they come from are divided, from the first chunk that shows it. Channels are
    joined as `to_mono` does. `notes` has a sentence about what is done for the publisher.
    """

    def __init__(self) -> None:
        self._scale = 1.0
        self._channel: int | None = None
        self._energies: NDArray[np.float32] = np.zeros(3, np.float32)
        self.notes: dict[str, str] = {}

    def clean(self, chunk: AudioChunk) -> MonoSamples:
        """Take the next chunk."""
        if chunk.samples.dtype == np.int16:
            samples = int16_to_float32(chunk.samples.astype(np.int16, copy=False))
            return MonoSamples(self._join(samples, chunk.channels), 0, 0)
        samples = chunk.samples.astype(np.float32, copy=False)
        not_finite = clipped = 0
        # One pass decides for nearly every chunk; a NaN makes the comparison false.
        if self._scale > 1.0 or not float(np.abs(samples).max()) <= 1.0:
            finite = np.isfinite(samples)
            not_finite = len(samples) - int(np.count_nonzero(finite))
            samples = np.where(finite, samples, np.float32(0.0))
            scaled = self._scaled(samples)
            if scaled is None:
                return MonoSamples(self._join(samples * 0, chunk.channels), len(samples), 0)
            clipped = int(np.count_nonzero(np.abs(scaled) > 1.0))
            samples = np.clip(scaled, -1.0, 1.0)
        return MonoSamples(self._join(samples, chunk.channels), not_finite, clipped)

    def _scaled(self, samples: NDArray[np.float32]) -> NDArray[np.float32] | None:
        """Divide by the full scale; None where the samples are larger than any."""
        sizes = np.abs(samples)
        # Single values beyond full scale are errors, to be clipped; half of all are a wrong scale.
        middle = len(sizes) // 2
        if float(np.partition(sizes, middle)[middle]) > self._scale:
            peak = float(sizes.max())
            scale = next((scale for scale in INTEGER_SCALES if peak <= scale), None)
            if scale is None:
                return None
            self._scale = scale
            self.notes["scale"] = (
                f"scale: float samples as large as {peak:.6g}, but full scale is 1.0; they are "
                f"divided by {scale:.0f} here: do so in the publisher"
            )
        return samples / np.float32(self._scale)

    def _join(self, samples: NDArray[np.float32], channels: int) -> NDArray[np.float32]:
        if channels == 1:
            return samples
        table = samples.reshape(-1, channels)
        if channels > 2:
            if self._channel is None and table.any():
                self._channel = heard_channel(table)
            return np.ascontiguousarray(table[:, self._channel or 0])
        self._energies = self._energies * FORGET + _energies(table)
        channel = _not_cancelled(self._energies)
        if channel is None:
            return table.mean(axis=1, dtype=np.float32)
        if "channels" not in self.notes:
            self.notes["channels"] = (
                "channels: the two cancel each other, one is inverted, so only the louder is "
                "heard; swap the wires of one, or publish one channel"
            )
        return np.ascontiguousarray(table[:, channel])


def _energies(table: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return the energy of both channels of [n, 2] and of their average."""
    both = np.concatenate([table, table.mean(axis=1, keepdims=True)], axis=1)
    return np.einsum("nc,nc->c", both, both).astype(np.float32)


def _not_cancelled(energies: NDArray[np.float32]) -> int | None:
    """Return the louder of two channels where their average has next to nothing of it."""
    left, right, average = (float(energy) for energy in energies)
    if average < LEFT_OF_IT * max(left, right):
        return 0 if left >= right else 1
    return None
