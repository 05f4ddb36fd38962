"""Turn events from the voice activity of the person and of the robot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .activity import Activity
from .events import ROBOT_STARTED, ROBOT_STOPPED, USER_STARTED, USER_STOPPED, TurnEvent
from .gate import GateParameters, Instant, SpeechGate, Window
from .overlap import OverlapJudge, OverlapParameters

SECOND_NS = 1_000_000_000


@dataclass(frozen=True)
class TurnParameters:
    """Thresholds of the turn tracker; times in seconds.

    user_on, user_off: speech probability at which the person's speech begins and ends.
    user_min_speech_s: speech that confirms a begin. user_end_silence_s: silence that ends it.
    robot_on_dbfs, robot_off_dbfs, robot_min_speech_s, robot_end_silence_s: the same of the robot,
    by the level of its own audio.
    interruption_min_s: speech of the person, pauses not counted, that makes an interruption.
    The detector adds up to 0.1 s to a sound, so an "okay" of 0.45 s counts as 0.5 s.
    backchannel_max_s: the same with pauses counted: a row of short sounds that lasts longer.
    overlap_min_s: sound of the robot in that time. Less is the end of its turn, not a break-in.
    robot_yield_window_s: time from the begin of an interruption in which the robot has to fall
    silent to have yielded.
    """

    user_on: float = 0.5
    user_off: float = 0.35
    user_min_speech_s: float = 0.096
    user_end_silence_s: float = 0.32
    robot_on_dbfs: float = -45.0
    robot_off_dbfs: float = -50.0
    robot_min_speech_s: float = 0.06
    robot_end_silence_s: float = 0.4
    interruption_min_s: float = 0.6
    backchannel_max_s: float = 1.0
    overlap_min_s: float = 0.2
    robot_yield_window_s: float = 2.0

    def __post_init__(self) -> None:
        self.user_gate()
        self.robot_gate()
        if self.robot_off_dbfs > self.robot_on_dbfs:
            raise ValueError(
                f"robot_off_dbfs {self.robot_off_dbfs} must not exceed robot_on_dbfs "
                f"{self.robot_on_dbfs}"
            )
        if not 0.0 < self.overlap_min_s <= self.interruption_min_s <= self.backchannel_max_s:
            raise ValueError(
                "need 0 < overlap_min_s <= interruption_min_s <= backchannel_max_s, got "
                f"{self.overlap_min_s}, {self.interruption_min_s} and {self.backchannel_max_s}"
            )
        if self.robot_yield_window_s <= 0.0:
            raise ValueError(
                f"robot_yield_window_s must be positive, got {self.robot_yield_window_s}"
            )

    def user_gate(self) -> GateParameters:
        """Return the gate of the person's speech."""
        return GateParameters(
            self.user_on, self.user_off, self.user_min_speech_s, self.user_end_silence_s
        )

    def robot_gate(self) -> GateParameters:
        """Return the gate of the robot's speech; the levels' hysteresis lies in the detector."""
        return GateParameters(0.5, 0.5, self.robot_min_speech_s, self.robot_end_silence_s)

    def overlap(self) -> OverlapParameters:
        """Return the limits for what a person's sound within the robot's speech means."""
        return OverlapParameters(
            round(self.interruption_min_s * SECOND_NS),
            round(self.backchannel_max_s * SECOND_NS),
            round(self.overlap_min_s * SECOND_NS),
            round(self.robot_yield_window_s * SECOND_NS),
        )


class TurnTracker:
    """State machine over both activities; every event comes once.

    The rules, for a person who begins to speak while the robot speaks, that is, after the begin
    and before the end of a stretch of the robot's speech, pauses included:

    - interruption: the person has spoken for `interruption_min_s`, or is heard `backchannel_max_s`
      after the begin, and the robot sounded for `overlap_min_s` meanwhile. Onset: the person's.
    - robot_yielded: that stretch of the robot ended within `robot_yield_window_s` of the onset of
      the interruption. Onset: the end of the robot's sound.
    - backchannel: the person stopped before that, and the robot sounded for `overlap_min_s` after
      it in the same stretch. Onset: the person's.
    - neither: an ordinary change of turn.

    user_started and user_stopped alternate strictly, as do robot_started and robot_stopped.
    Durations are measured in audio heard, so a leap of the microphone's clock changes stamps only.

    robot_delay_s: how long after the begin of a frame of the person's audio the frame of the
    robot's that was pushed with it begins to sound: 0 where both are lines of one recording.
    """

    def __init__(
        self,
        parameters: TurnParameters,
        sample_rate: int,
        frame_size: int,
        robot_delay_s: float = 0.0,
    ) -> None:
        self._rate = sample_rate
        self._frame_size = frame_size
        self._robot_delay = round(robot_delay_s * sample_rate)
        self._user = SpeechGate(parameters.user_gate())
        self._robot = SpeechGate(parameters.robot_gate())
        self._overlap_parameters = parameters.overlap()
        self.reset()

    def reset(self) -> None:
        """Begin a new conversation: both sides are silent."""
        self._user.reset()
        self._robot.reset()
        self._judge = OverlapJudge(self._overlap_parameters)
        self._frames = 0

    @property
    def user_speaking(self) -> bool:
        """Whether the person speaks, short pauses included."""
        return self._user.speaking

    @property
    def robot_speaking(self) -> bool:
        """Whether the robot speaks, short pauses included."""
        return self._robot.speaking

    def update(
        self, stamp_ns: int, user: Sequence[Activity], robot: Sequence[Activity]
    ) -> list[TurnEvent]:
        """Take the windows of the frame captured at `stamp_ns`; return what they decide."""
        decided_ns = stamp_ns + self._to_ns(self._frame_size)
        events: list[TurnEvent] = []

        def emit(kind: str, onset: Instant, confidence: float) -> None:
            events.append(TurnEvent(kind, onset.stamp_ns, decided_ns, confidence))

        for activity in robot:
            window = self._window(stamp_ns, activity, self._robot_delay)
            edge = self._robot.push(window)
            if self._robot.active:
                self._judge.hear_robot(window)
            if edge is not None:
                emit(ROBOT_STARTED if edge.started else ROBOT_STOPPED, edge.at, edge.confidence)
            for verdict in self._judge.judge(self._user, self._robot, None):
                emit(verdict.kind, verdict.onset, verdict.confidence)
        for activity in user:
            edge = self._user.push(self._window(stamp_ns, activity, 0))
            if edge is not None:
                emit(USER_STARTED if edge.started else USER_STOPPED, edge.at, edge.confidence)
            for verdict in self._judge.judge(self._user, self._robot, edge):
                emit(verdict.kind, verdict.onset, verdict.confidence)
        self._frames += 1
        return events

    def _window(self, stamp_ns: int, activity: Activity, delay: int) -> Window:
        heard = self._frames * self._frame_size
        begin = activity.offset_samples + delay
        end = begin + activity.length_samples
        return Window(
            Instant(self._to_ns(heard + begin), stamp_ns + self._to_ns(begin)),
            Instant(self._to_ns(heard + end), stamp_ns + self._to_ns(end)),
            activity.probability,
        )

    def _to_ns(self, samples: int) -> int:
        return samples * SECOND_NS // self._rate
