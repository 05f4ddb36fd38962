"""A loudspeaker of this machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from personaplex_ros.audio.clocks import SpeechPlayback
from personaplex_ros.audio.playback import PlaybackCounters

from .card import Card, OnChange, ignore_change
from .library import play_stamp_ns
from .use import CardUse

OnPlayed = Callable[[NDArray[np.float32], int, int], None]
"""Told what is played: float32 [n], its rate in Hz, and the wall-clock time [ns] of the first."""


@dataclass(frozen=True)
class SinkCounters:
    """What a loudspeaker met. playback: see PlaybackCounters, in samples of the card's rate.

    underflows: times that the driver had to play before it was given anything. unheard_samples:
    what was written while the card was gone, at the writer's rate. reopened: times that it had gone
    and was opened again.
    """

    playback: PlaybackCounters
    underflows: int = 0
    unheard_samples: int = 0
    reopened: int = 0


class SoundCardSink(CardUse):
    """A loudspeaker: `write` speech at any time, the card takes it at its own pace.

    sample_rate: of what is written; it is resampled to the card's, whose clock is followed.
    device: as SoundCardSource has it. buffer_s: the most that may wait; start_s: what has to wait
    before playing starts (see SpeechPlayback). on_change is told when the card goes and comes back;
    meanwhile what is written is dropped, for speech that comes too late is worse than none.

    on_played is called from PortAudio's thread with every block as it goes to the converter,
    silence included, and must return within a millisecond. It may keep the array.

    Raises AudioDeviceError if the card cannot be opened.
    """

    def __init__(
        self,
        sample_rate: int,
        *,
        device: int | str | None = None,
        buffer_s: float = 1.0,
        start_s: float = 0.1,
        on_played: OnPlayed | None = None,
        on_change: OnChange = ignore_change,
    ) -> None:
        self._sample_rate = sample_rate
        self._buffer_s = buffer_s
        self._start_s = start_s
        self._on_played = on_played
        self._underflows = 0
        self._unheard = 0
        self._rate = 0
        self._set_rate(sample_rate)

        def settings(rate: int) -> dict[str, Any]:
            return {"dtype": "float32"}

        card = Card("output", device, None, settings, self._on_block, self._on_open, on_change)
        super().__init__(card)

    @property
    def rate(self) -> int:
        """Samples per second of the card."""
        return self._rate

    def write(self, samples: NDArray[np.float32]) -> None:
        """Queue speech, float32 [n] in [-1, 1]; never blocks."""
        if self._card.is_open:
            self._playback.write(samples)
        else:
            self._unheard += len(samples)

    def clear(self) -> None:
        """Fall silent at once: drop what waits."""
        self._playback.clear()

    def snapshot(self) -> SinkCounters:
        """Return a copy of the counters."""
        return SinkCounters(
            self._playback.snapshot(), self._underflows, self._unheard, self._card.reopened
        )

    def _set_rate(self, rate: int) -> None:
        if rate != self._rate:
            self._rate = rate
            self._playback = SpeechPlayback(
                self._sample_rate, rate, buffer_s=self._buffer_s, start_s=self._start_s
            )

    def _on_open(self, rate: int) -> None:
        self._playback.clear()
        self._set_rate(rate)

    def _on_block(self, block: NDArray[np.float32], frames: int, times: Any, status: Any) -> None:
        if status.output_underflow:
            self._underflows += 1
        samples = self._playback.read(frames)
        block[:, 0] = samples
        if self._on_played is not None:
            play_ns = play_stamp_ns(
                times.outputBufferDacTime, times.currentTime, time.time_ns(), self._card.latency_s
            )
            self._on_played(samples, self._rate, play_ns)
