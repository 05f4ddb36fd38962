"""Blocks of PCM as they arrive from a publisher or a device, and the check of their content."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class AudioChunk:
    """One block of a running stream.

    samples: int16 or float32 (full scale 1.0), [frames * channels], interleaved.
    rate: samples per second and channel. channels: number of interleaved channels.
    stamp_ns: time at which the first sample was captured; 0 where it is not known.
    first_sample: running index of the first sample per channel since the stream began, or None
    where the publisher does not number its samples.
    source: identifies the publisher.
    """

    samples: NDArray[np.int16] | NDArray[np.float32]
    rate: int
    channels: int
    stamp_ns: int
    first_sample: int | None
    source: str

    @property
    def format(self) -> tuple[int, int]:
        """Rate and number of channels."""
        return self.rate, self.channels

    @property
    def frames(self) -> int:
        """Number of samples per channel."""
        return len(self.samples) // self.channels

    @property
    def duration_ns(self) -> int:
        """Length in nanoseconds."""
        return self.frames * 1_000_000_000 // self.rate


@dataclass(frozen=True)
class ChunkLimits:
    """What a chunk may look like: lengths in seconds, rates in samples per second."""

    max_chunk_s: float = 1.0
    min_rate: int = 8_000
    max_rate: int = 192_000
    max_channels: int = 32

    def __post_init__(self) -> None:
        if self.max_chunk_s <= 0.0:
            raise ValueError(f"max_chunk_s must be positive, got {self.max_chunk_s}")
        if not 1 <= self.min_rate <= self.max_rate or self.max_channels < 1:
            raise ValueError(
                f"need 1 <= min_rate <= max_rate and max_channels >= 1, got {self.min_rate}, "
                f"{self.max_rate}, {self.max_channels}"
            )


@dataclass(frozen=True)
class Problem:
    """Why a chunk cannot be used: the name of its counter and a sentence with values and remedy."""

    counter: str
    text: str


def find_problem(chunk: AudioChunk, limits: ChunkLimits) -> Problem | None:
    """Say why `chunk` has to be dropped as a whole, or None where it can be used."""
    samples = chunk.samples
    if samples.ndim != 1 or samples.dtype not in (np.int16, np.float32):
        return Problem(
            "bad_format",
            f"bad format: samples must be int16 or float32 [n], got {samples.dtype} "
            f"{list(samples.shape)}",
        )
    if len(samples) == 0:
        return Problem("empty", "empty: a message without samples")
    if not limits.min_rate <= chunk.rate <= limits.max_rate:
        return Problem(
            "bad_rate",
            f"bad rate: {chunk.rate} Hz is outside {limits.min_rate} to {limits.max_rate} Hz; "
            "set sample_rate in the publisher",
        )
    if not 1 <= chunk.channels <= limits.max_channels or len(samples) % chunk.channels:
        return Problem(
            "bad_channels",
            f"bad channels: {len(samples)} samples cannot be interleaved from {chunk.channels} "
            f"channels (1 to {limits.max_channels} are accepted)",
        )
    if chunk.frames > limits.max_chunk_s * chunk.rate:
        return Problem(
            "oversized",
            f"oversized: {chunk.frames / chunk.rate:.2f} s in one message, at most "
            f"{limits.max_chunk_s:g} s are accepted; publish 10 to 100 ms a message",
        )
    return None
