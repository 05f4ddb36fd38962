"""Hears a conversation as a robot would, frame by frame, and notes what the detectors find."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from personaplex_ros.audio import read_wave, resample, to_mono
from personaplex_ros.benchmark.turnbench.folder import Conversation
from personaplex_ros.benchmark.turnbench.predictions import Found, Pair
from personaplex_ros.turns import SpeechActivity, TurnMonitor
from personaplex_ros.turns.events import CONFIRMED, INTERRUPTION, USER_STOPPED

FRAME_S = 0.08
SECOND_NS = 1_000_000_000

Sound = NDArray[np.float32]


@dataclass(frozen=True)
class Window:
    """A window of Silero VAD: when it begins and ends, when it is known, and the probability."""

    start_s: float
    end_s: float
    known_s: float
    probability: float


@dataclass(frozen=True, eq=False)
class Heard:
    """Both speakers' sound, float32 [n] each, at one rate in Hz; n is a number of whole frames."""

    sides: tuple[Sound, Sound]
    rate: int
    duration_s: float

    @property
    def frame(self) -> int:
        """Samples of a frame."""
        return round(FRAME_S * self.rate)

    def frames(self, one: Sound, other: Sound) -> Iterator[tuple[int, Sound, Sound]]:
        """Yield the time in ns at which a frame begins, and the frame of two sides."""
        size = self.frame
        for first in range(0, len(one), size):
            at_ns = first * SECOND_NS // self.rate
            yield at_ns, one[first : first + size], other[first : first + size]


def read_sounds(conversation: Conversation) -> Heard:
    """Read the sound of both speakers; what comes after the shorter file's end is left out.

    Raises ValueError naming the file that is wrong.
    """
    first, second = (read_wave(path) for path in conversation.sounds)
    rate = max(first.rate, second.rate)
    sides = [resample(to_mono(wave.samples), wave.rate, rate) for wave in (first, second)]
    count, frame = min(map(len, sides)), round(FRAME_S * rate)
    padded = [np.pad(side[:count], (0, -count % frame)) for side in sides]
    return Heard((padded[0], padded[1]), rate, conversation.duration_s)


def hear_turns(heard: Heard) -> Pair:
    """Return what the turn monitor tells: each speaker once as the person, once as the robot.

    A turn ends with `user_stopped`, an interruption is one that is confirmed, both when they were
    decided.
    """
    first, second = heard.sides
    return _monitored(heard, first, second), _monitored(heard, second, first)


def hear_speech(heard: Heard) -> tuple[list[Window], list[Window]]:
    """Return the windows of Silero VAD of both speakers."""
    first, second = (_windows(heard, side) for side in heard.sides)
    return first, second


def _monitored(heard: Heard, person: Sound, robot: Sound) -> Found:
    monitor = TurnMonitor(heard.rate, heard.frame)
    ends, interruptions = set[float](), set[float]()
    for at_ns, user, other in heard.frames(person, robot):
        for event in monitor.push(user, other, "", at_ns).events:
            if event.state != CONFIRMED or event.revises:
                continue
            decided_s = min(event.decided_ns / SECOND_NS, heard.duration_s)
            if event.kind == USER_STOPPED:
                ends.add(decided_s)
            elif event.kind == INTERRUPTION:
                interruptions.add(decided_s)
    return Found(tuple(sorted(ends)), tuple(sorted(interruptions)))


def _windows(heard: Heard, side: Sound) -> list[Window]:
    activity = SpeechActivity(heard.rate, heard.frame)
    windows = []
    for at_ns, samples, _ in heard.frames(side, side):
        begin_s = at_ns / SECOND_NS
        for one in activity.push(samples):
            start_s = begin_s + one.offset_samples / heard.rate
            end_s = start_s + one.length_samples / heard.rate
            known_s = min(begin_s + FRAME_S, heard.duration_s)
            windows.append(Window(start_s, end_s, known_s, one.probability))
    return windows
