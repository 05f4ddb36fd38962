"""Recordings of callers, from whose pieces conversations are put together.

A recording is one caller before one microphone: requests, interruptions and the rest, one after
the other, with the quiet room between. As codes its pieces can be used in any order, so some
hours of recordings make any number of conversations.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from personaplex_ros.training.chance import pick
from personaplex_ros.training.voices.speech import Interval

FRAME_S = 0.08
STREAM_START_FRAMES = 6  # whose codes know that the stream has just begun


@dataclass(frozen=True)
class Take:
    """Something said in a recording; times are in seconds from the start of frame ``first``.

    ``kind`` is "question", "interruption", "backchannel", "noise", or "opening", "part" or
    "closing" of a story. ``frames`` last until the room is quiet again.
    """

    kind: str
    intent: str
    text: str
    first: int
    frames: int
    start_s: float
    end_s: float
    words: tuple[Interval, ...]
    pauses: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class Recording:
    """A caller in codes, int16 [codebooks, F], and where in it what is said."""

    codes: NDArray[np.int16]
    takes: tuple[Take, ...]
    quiet: list[tuple[int, int]] = field(init=False)  # frames without speech, from and to

    def __post_init__(self) -> None:
        ends = [STREAM_START_FRAMES, *(take.first + take.frames for take in self.takes)]
        starts = [*(take.first for take in self.takes), self.codes.shape[1]]
        gaps = [(a, b) for a, b in zip(ends, starts, strict=True) if b > a]
        object.__setattr__(self, "quiet", gaps)

    def room(self, frames: int, rng: np.random.Generator) -> NDArray[np.int16]:
        """Return so many frames of the quiet room, pieced together."""
        parts: list[NDArray[np.int16]] = []
        while sum(part.shape[1] for part in parts) < frames:
            parts.append(self.codes[:, slice(*pick(self.quiet, rng))])
        return np.concatenate(parts, axis=1)[:, :frames]
