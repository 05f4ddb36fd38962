"""Turn-taking behind one call: detectors, echo guard, tracker, hold, transcript."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from personaplex_ros.audio.echo import EchoFrame
from personaplex_ros.audio.framing import SECOND_NS

from .detection.activity import LevelActivity, SpeechActivity
from .events import TurnEvent
from .guards.background import BackgroundGuard
from .guards.echo import EchoGuard, EchoReport
from .hold import HoldParameters, MotionHold
from .judges.duplex import Duplex
from .judges.turn_end import TurnEndJudge
from .parameters import NEVER, TurnParameters
from .tracker import TurnTracker
from .user_utterance import UserUtterance, UserUtteranceAssembler
from .utterance import Utterance, UtteranceAssembler, UtteranceParameters

REFRESH_S = 1.0
"""So often the detector forgets what is left of the robot's voice, while nobody speaks over it."""


@dataclass(frozen=True)
class TurnUpdate:
    """The state of the conversation after a frame, and what the frame decided.

    utterance: the robot's utterance that ended with it, if any. heard: what the person has said, if
    there is more of it or it is final. hold: whether motion should pause.
    """

    events: list[TurnEvent]
    user_speaking: bool
    robot_speaking: bool
    engaged: bool
    hold: bool
    utterance: Utterance | None
    heard: UserUtterance | None


class TurnMonitor:
    """Follows one conversation; for one thread.

    robot_delay_s: how long after the begin of a microphone frame the robot's frame that is pushed
    with it begins to sound: 0 where both are lines of one recording, one frame or more live.
    Making one loads Silero VAD, which takes some tenths of a second.
    """

    def __init__(
        self,
        sample_rate: int,
        frame_size: int,
        *,
        parameters: TurnParameters | None = None,
        hold: HoldParameters | None = None,
        utterance: UtteranceParameters | None = None,
        robot_delay_s: float = 0.0,
    ) -> None:
        self._format = (sample_rate, frame_size)
        self._frame_ns = frame_size * SECOND_NS // sample_rate
        self._robot_delay_s = robot_delay_s
        self._robot_delay_ns = round(robot_delay_s * SECOND_NS)
        self._user = SpeechActivity(sample_rate, frame_size)
        self._utterances = UtteranceAssembler(utterance)
        self._heard = UserUtteranceAssembler()
        parameters = parameters or TurnParameters()
        self._echo = EchoGuard(*self._format, parameters.echo_loss_db)
        self._background = BackgroundGuard(*self._format, parameters.background_share)
        self._set(parameters, hold)

    def _set(self, parameters: TurnParameters, hold: HoldParameters | None) -> None:
        on_dbfs, off_dbfs = parameters.robot_on_dbfs, parameters.robot_off_dbfs
        self._robot = LevelActivity(*self._format, on_dbfs=on_dbfs, off_dbfs=off_dbfs)
        self._echo.set_loss(parameters.echo_loss_db)
        self._background.share = parameters.background_share
        asks = parameters.user_finished_on < NEVER
        self._turn_end = TurnEndJudge(*self._format) if asks else None
        self._tracker = TurnTracker(parameters, *self._format, self._robot_delay_s)
        self._hold = MotionHold(hold)

    def push(
        self,
        user_samples: NDArray[np.float32],
        robot_samples: NDArray[np.float32],
        piece: str,
        stamp_ns: int,
        echo: EchoFrame | None = None,
        word: str = "",
    ) -> TurnUpdate:
        """Take one frame of both sides, float32 [frame_size] each, and the robot's text `piece`.

        stamp_ns: capture time of the first of `user_samples`. echo: what is known of the robot's
        echo in them, where anything is; they are its `clean`. word: the person's that has just
        ended, where the model tells.
        Raises ValueError for another shape or dtype.
        """
        robot = self._robot.push(robot_samples)
        heard = echo or EchoFrame(*(user_samples,) * 4, None)
        if heard.reference is not None and self._user.quiet_s >= REFRESH_S:
            self._user.refresh()
        windows = self._user.push(heard.linear)
        user = self._echo.push(user_samples, robot_samples, windows, heard.raw, heard.reference)
        robot_sounds = any(window.probability > 0.0 for window in robot)
        user = self._background.push(heard.linear, user, robot_sounds)
        finished = self._turn_end.push(heard.linear, user) if self._turn_end else 0.0
        events = self._tracker.update(stamp_ns, user, robot, piece, finished)
        start_ns = stamp_ns + self._robot_delay_ns
        utterance = self._utterances.push(
            start_ns,
            start_ns + self._frame_ns,
            piece,
            robot_sounds,
            events,
        )
        speaking = self._tracker.user_speaking
        return TurnUpdate(
            events,
            speaking,
            self._tracker.robot_speaking,
            self._tracker.engaged,
            self._hold.update(stamp_ns + self._frame_ns, events),
            utterance,
            self._heard.push(stamp_ns, stamp_ns + self._frame_ns, word, speaking, events),
        )

    @property
    def echo(self) -> EchoReport:
        """What was measured of the robot's own voice in the microphone."""
        return self._echo.report

    @property
    def duplex(self) -> Duplex:
        """How the robot listens while it speaks."""
        return self._echo.duplex

    @property
    def deaf(self) -> bool:
        """Whether nobody is heard now, as the robot speaks and hears itself too loud."""
        return self._echo.deaf

    def change(self, parameters: TurnParameters, hold: HoldParameters) -> TurnUpdate:
        """Go on with other settings, as in a new conversation; return what ``end`` does."""
        ended = self.end()
        self._set(parameters, hold)
        return ended

    def end(self) -> TurnUpdate:
        """End the conversation and begin a new one; return what that ends.

        The events close whatever is open, the utterances are those that were not finished.
        """
        utterance, heard = self._utterances.flush(), self._heard.flush()
        events = self._tracker.end()
        self._user.reset()
        if self._turn_end:
            self._turn_end.reset()
        self._robot.reset()
        self._echo.reset()
        self._background.reset()
        self._hold.reset()
        return TurnUpdate(events, False, False, False, False, utterance, heard)
