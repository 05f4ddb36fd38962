"""Hears a conversation as a robot would, frame by frame, and notes what the detectors find."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from personaplex_ros.audio import read_wave, resample, to_mono
from personaplex_ros.audio.framing import SECOND_NS
from personaplex_ros.benchmark.turnbench.folder import Conversation
from personaplex_ros.benchmark.turnbench.predictions import Found, Pair
from personaplex_ros.turns import (
    Activity,
    SpeechActivity,
    TurnEvent,
    TurnParameters,
    TurnTracker,
)
from personaplex_ros.turns.events import CONFIRMED, INTERRUPTION, USER_FINISHED
from personaplex_ros.turns.guards.background import BackgroundGuard
from personaplex_ros.turns.guards.echo import EchoGuard
from personaplex_ros.turns.judges.turn_end import TurnEndJudge

FRAME_S = 0.08

Sound = NDArray[np.float32]
Speech = tuple[list[list[Activity]], list[list[Activity]]]  # of both speakers, frame by frame


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


def hear_speech(heard: Heard) -> Speech:
    """Return what Silero VAD makes of each frame of both speakers."""
    first, second = (_activity(heard, side) for side in heard.sides)
    return first, second


def windows(heard: Heard, frames: Sequence[Sequence[Activity]]) -> list[Window]:
    """Return one speaker's windows in seconds; what is known at the end of a frame."""
    found = []
    for number, activities in enumerate(frames):
        begin_s = number * heard.frame / heard.rate
        known_s = min(begin_s + FRAME_S, heard.duration_s)
        for one in activities:
            start_s = begin_s + one.offset_samples / heard.rate
            end_s = start_s + one.length_samples / heard.rate
            found.append(Window(start_s, end_s, known_s, one.probability))
    return found


def hear_turns(heard: Heard, speech: Speech, settings: Sequence[TurnParameters]) -> list[Pair]:
    """Return the events of a `TurnMonitor` with each of the settings, whose times may differ.

    Each speaker is once the person and once the robot. A turn ends with `user_finished`, an
    interruption is one that is confirmed, both when they were decided.
    """
    pairs = (_tracked(heard, speech, own, settings) for own in (0, 1))
    return list(zip(*pairs, strict=True))


def _activity(heard: Heard, side: Sound) -> list[list[Activity]]:
    activity = SpeechActivity(heard.rate, heard.frame)
    return [activity.push(samples) for _, samples, _ in heard.frames(side, side)]


def _tracked(
    heard: Heard, speech: Speech, own: int, settings: Sequence[TurnParameters]
) -> list[Found]:
    first, shape = settings[0], (heard.rate, heard.frame)
    echo = EchoGuard(*shape, first.echo_loss_db)
    background = BackgroundGuard(*shape, first.background_share)
    judge = TurnEndJudge(*shape)
    trackers = [TurnTracker(one, *shape) for one in settings]
    events: list[list[TurnEvent]] = [[] for _ in settings]
    frames = heard.frames(heard.sides[own], heard.sides[1 - own])
    # By level, as a robot's own clean audio is heard, people sound all along whose room is loud.
    speaks = first.robot_gate().on
    both = zip(speech[own], speech[1 - own], frames, strict=True)
    for activities, other, (at_ns, person, robot) in both:
        sounds = any(window.probability >= speaks for window in other)
        user = background.push(person, echo.push(person, robot, activities), sounds)
        finished = judge.push(person, user)
        for tracker, told in zip(trackers, events, strict=True):
            told += tracker.update(at_ns, user, other, finished=finished)
    return [_found(told, heard.duration_s) for told in events]


def _found(events: Sequence[TurnEvent], duration_s: float) -> Found:
    sure = [event for event in events if event.state == CONFIRMED and not event.revises]

    def times(kind: str) -> tuple[float, ...]:
        decided = {event.decided_ns / SECOND_NS for event in sure if event.kind == kind}
        return tuple(sorted({min(at_s, duration_s) for at_s in decided}))

    return Found(times(USER_FINISHED), times(INTERRUPTION))
