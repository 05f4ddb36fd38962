"""A microphone of this machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from personaplex_ros.audio.chunk import AudioChunk
from personaplex_ros.audio.framing import SECOND_NS

from .card import Card, OnChange, ignore_change
from .library import capture_stamp_ns
from .use import CardUse


@dataclass(frozen=True)
class SourceCounters:
    """What a microphone met. overflows: times that the driver lost samples, lost_samples in all.

    reopened: times that the card had gone and was opened again.
    """

    overflows: int = 0
    lost_samples: int = 0
    reopened: int = 0


class SoundCardSource(CardUse):
    """A microphone: calls `callback` with an AudioChunk (int16) for every block, from its thread.

    device: PortAudio's index, a name or words of one; None is the default input. rate: samples per
    second; None is what suits the card. on_change is told when the card goes and comes back.
    Stamps are wall-clock nanoseconds of the capture of the first sample, from the converter's own
    time. Samples that were lost, and the time in which the card was gone, advance `first_sample`.

    Raises AudioDeviceError if the card cannot be opened; it is held from `start` to `stop` only.
    """

    def __init__(
        self,
        callback: Callable[[AudioChunk], None],
        *,
        device: int | str | None = None,
        rate: int | None = None,
        block_s: float = 0.02,
        on_change: OnChange = ignore_change,
    ) -> None:
        self._callback = callback
        self._rate = 0
        self._next_sample = 0
        self._end_ns: int | None = None
        self._end_adc_s: float | None = None
        self._overflows = 0
        self._lost = 0

        def settings(rate: int) -> dict[str, Any]:
            return {"blocksize": round(block_s * rate), "dtype": "int16"}

        card = Card("input", device, rate, settings, self._on_block, self._on_open, on_change)
        super().__init__(card)

    @property
    def rate(self) -> int:
        """Samples per second of the chunks."""
        return self._rate

    def snapshot(self) -> SourceCounters:
        """Return a copy of the counters."""
        return SourceCounters(self._overflows, self._lost, self._card.reopened)

    def _on_open(self, rate: int) -> None:
        if rate != self._rate:
            self._next_sample, self._end_ns = 0, None
        self._rate, self._end_adc_s = rate, None

    def _on_block(self, block: NDArray[np.int16], frames: int, times: Any, status: Any) -> None:
        adc_s = times.inputBufferAdcTime
        stamp_ns = capture_stamp_ns(adc_s, times.currentTime, time.time_ns(), frames, self._rate)
        if self._end_adc_s is None and self._end_ns is not None:  # the card was opened again
            self._next_sample += max(0, (stamp_ns - self._end_ns) * self._rate // SECOND_NS)
        if status.input_overflow:
            self._overflows += 1
            if self._end_adc_s is not None:
                lost = max(0, round((adc_s - self._end_adc_s) * self._rate))
                self._lost += lost
                self._next_sample += lost
        self._end_adc_s = adc_s + frames / self._rate
        self._end_ns = stamp_ns + frames * SECOND_NS // self._rate
        # PortAudio uses the block's memory again after the callback.
        samples = block[:, 0].copy()
        source = f"soundcard:{self.name}"
        self._callback(AudioChunk(samples, self._rate, 1, stamp_ns, self._next_sample, source))
        self._next_sample += frames
