"""Telling the person from the robot's own voice in the microphone, by level and by envelope."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from personaplex_ros.audio.echo import SOUNDING

from ..detection.activity import Activity
from ..judges.duplex import Duplex, DuplexJudge
from .own_voice import OwnVoice

REACH_S = 0.5  # by so much the echo may come later: buffers of playback, the way, the room
SURE, LIKELY = 0.75, 0.6
"""Likeness to what is played from which on a window is the robot, and from which it may be."""
SPEECH = 0.2
"""Probability of speech from which on a window would make the robot suspect a person."""
FORGET_DB_S = 0.1
"""What was learnt sinks so fast while the robot speaks: rooms and volumes change."""
BURST_S = 0.16
"""What is shorter is no speech: it is what the canceller left."""
BURST_STEP_DB, BURST_MOST_DB = 3.0, -8.0
"""The limit follows such bursts by so much each, and up to there: people are louder."""
MEMORY_S = 4.0
"""Of the robot's speech, over which it is judged how much of it is heard."""

Sound = NDArray[np.float32]


@dataclass(frozen=True)
class EchoReport:
    """What the guard measured while the robot spoke.

    limit_db: what is softer than the robot by this is silence. return_loss_db: by how much what
    comes back to the microphone is softer than what was played; cancelled_db: by how much of that
    the canceller takes away; None before they were measured. heard: share of the robot's speech in
    which its own voice passes for speech. duplex: what is given up because of that.
    """

    limit_db: float
    return_loss_db: float | None
    cancelled_db: float | None
    heard: float
    duplex: Duplex


class EchoGuard:
    """Takes what is the robot's own voice for silence.

    While the robot speaks and for half a second after, a window of the person is silent where its
    level is more than `loss_db` below the loudest window as long of the robot in that time. Where
    it is told what reaches the microphone of what was played, it also compares both envelopes:
    what rises and falls as the robot does is the robot, however loud, and from it the guard learns
    how loud the robot comes back. Who speaks at the same time does not, and is never learnt.
    """

    def __init__(self, sample_rate: int, frame_size: int, loss_db: float) -> None:
        self._rate = sample_rate
        self._frame_size = frame_size
        self._floor_db = -loss_db
        self._frames = max(1, round(REACH_S * sample_rate / frame_size))
        self._limit_db = self._burst_db = self._floor_db
        self._own = OwnVoice(sample_rate)
        self._heard = 0.0
        self._duplex = DuplexJudge()
        self.reset()

    def reset(self) -> None:
        """Forget everything heard so far; what was learnt of the room is kept."""
        silence = np.zeros(self._frame_size, np.float32)
        self._before: tuple[Sound, ...] = (silence, silence, silence)
        self._robot_powers: deque[float] = deque(maxlen=self._frames)
        self._own.reset()
        self._run_s = 0.0
        self._run_db = self._floor_db
        self._since_run_s = 1.0

    def set_loss(self, loss_db: float) -> None:
        """Go on with another least loss; what was learnt beyond it is kept."""
        self._floor_db = -loss_db

    @property
    def duplex(self) -> Duplex:
        """How the robot listens while it speaks."""
        return self._duplex.duplex

    @property
    def deaf(self) -> bool:
        """Whether the microphone is not to be listened to: the robot sounds, and half duplex."""
        return self._duplex.duplex is Duplex.HALF and self._robot_sounds

    @property
    def _robot_sounds(self) -> bool:
        return max(self._robot_powers, default=0.0) >= SOUNDING

    @property
    def report(self) -> EchoReport:
        """Return what was measured."""
        limit_db = max(self._floor_db, self._limit_db, self._burst_db)
        losses_db = self._own.losses_db
        return EchoReport(-limit_db, *losses_db, self._heard, self._duplex.duplex)

    def push(
        self,
        user_samples: Sound,
        robot_samples: Sound,
        windows: Iterable[Activity],
        raw_samples: Sound | None = None,
        echo_samples: Sound | None = None,
    ) -> list[Activity]:
        """Return the person's windows that ended with the frame, echo with probability 0.

        Samples are float32 [frame_size]; a window may begin up to a frame before its frame.
        raw_samples: the microphone before its echo was cancelled. echo_samples: of what was played
        that which reaches the microphone in this frame; None where it is not known.
        """
        windows = list(windows)
        known = echo_samples is not None
        raw = user_samples if raw_samples is None else raw_samples
        now = (user_samples, raw, echo_samples if echo_samples is not None else robot_samples)
        streams = [np.concatenate(pair) for pair in zip(self._before, now, strict=True)]
        self._before = now
        if windows:
            self._robot_powers.append(_loudest(robot_samples, windows[0].length_samples))
        loudest = max(self._robot_powers, default=0.0)
        return [self._judge(window, streams, loudest, known) for window in windows]

    def _judge(
        self, window: Activity, streams: Sequence[Sound], loudest: float, known: bool
    ) -> Activity:
        first = self._frame_size + window.offset_samples
        parts = [samples[max(0, first) : first + window.length_samples] for samples in streams]
        if parts[0].size == 0 or loudest <= 0.0:
            return window
        power = float(np.mean(np.square(parts[0])))
        level_db = 10.0 * float(np.log10(max(power, 1e-20) / loudest))
        judged = window
        if known and self._own.follow(*parts):
            judged = self._judge_by_likeness(window, level_db)
        if self.deaf or level_db < self._floor_db:
            return replace(window, probability=0.0)
        return judged

    def _judge_by_likeness(self, window: Activity, level_db: float) -> Activity:
        seconds = window.length_samples / self._rate
        likeness, speech = self._own.likeness, window.probability >= SPEECH
        own = likeness is not None and likeness >= SURE
        likely = likeness is None or likeness >= LIKELY
        if self._robot_sounds:
            self._learn(own, speech, level_db, seconds)
        silent = own or level_db < max(self._floor_db, self._burst_db)
        silent = silent or (likely and level_db < self._limit_db)
        self._follow_bursts(speech and not silent, level_db, seconds)
        return replace(window, probability=0.0) if silent else window

    def _learn(self, own: bool, speech: bool, level_db: float, seconds: float) -> None:
        self._heard += ((speech and own) - self._heard) * seconds / MEMORY_S
        self._duplex.follow(self._heard, seconds)
        self._limit_db = max(self._floor_db, self._limit_db - FORGET_DB_S * seconds)
        self._burst_db = max(self._floor_db, self._burst_db - FORGET_DB_S * seconds)
        if own:
            self._limit_db = max(self._limit_db, level_db)

    def _follow_bursts(self, speech: bool, level_db: float, seconds: float) -> None:
        """Learn how loud what the canceller leaves is, from sounds too short for speech."""
        if speech:
            self._run_db = level_db if self._run_s == 0.0 else max(self._run_db, level_db)
            self._run_s += seconds
            self._since_run_s = 0.0
            return
        self._since_run_s += seconds
        if self._run_s == 0.0 or self._since_run_s < 0.3:
            return
        if self._run_s < BURST_S and self._robot_sounds:
            step_db = min(self._run_db, self._burst_db + BURST_STEP_DB, BURST_MOST_DB)
            self._burst_db = max(self._burst_db, step_db)
        self._run_s = 0.0


def _loudest(samples: Sound, length: int) -> float:
    """Return the greatest mean power of the parts of `length` samples, the last one shorter."""
    return max(
        float(np.mean(np.square(samples[first : first + length])))
        for first in range(0, len(samples), length)
    )
