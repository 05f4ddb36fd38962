"""Timing of a step's parts without making the host wait for the device."""

from __future__ import annotations

import time
from itertools import pairwise

import torch

from personaplex_ros.conversing.step import StepTiming


class StepClock:
    """Marks the ends of encode, temporal, depth and decode.

    On CUDA the marks are events in the stream, read once the results have been copied back.
    """

    def __init__(self, device: torch.device):
        self._cuda = device.type == "cuda"
        self._times: list[float] = []
        self._events: list[torch.cuda.Event] = []
        self.mark()

    def mark(self) -> None:
        """Mark the present end of the work."""
        if self._cuda:
            self._events.append(torch.cuda.Event(enable_timing=True))
            self._events[-1].record()
        else:
            self._times.append(time.perf_counter())

    def timing(self) -> StepTiming:
        """Return the parts' seconds; waits for the last mark."""
        if self._cuda:
            self._events[-1].synchronize()
            return part_times(self._events)
        return _timing([b - a for a, b in pairwise(self._times)])


def part_times(marks: list[torch.cuda.Event]) -> StepTiming:
    """Return the parts' seconds between five events that the device has passed."""
    return _timing([a.elapsed_time(b) / 1000 for a, b in pairwise(marks)])


def _timing(parts: list[float]) -> StepTiming:
    encode, temporal, depth, decode = parts
    return StepTiming(encode, temporal, depth, decode, sum(parts))
