"""Turn events from the voice activity of the person and of the robot."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from personaplex_ros.audio.framing import SECOND_NS

from .detection.activity import Activity
from .detection.gate import Instant, SpeechGate, Window
from .events import ROBOT_STARTED, ROBOT_STOPPED, USER_STARTED, USER_STOPPED, TurnEvent
from .judges.engagement import EngagementJudge
from .judges.finish import FinishJudge
from .judges.floor import FloorJudge
from .judges.interruption import InterruptionJudge
from .judges.moment import Moment, Verdict
from .judges.overlap import OverlapJudge
from .judges.speech import SpeechJudge
from .parameters import TurnParameters


class TurnTracker:
    """State machine over both activities; every event comes once.

    The rules, for a person who begins to speak while the robot speaks, that is, after the begin
    and before the end of a stretch of the robot's speech, pauses included:

    - interruption, suspected: the robot is heard after the person's begin. Onset: the person's.
    - interruption, confirmed: the person has spoken for `interruption_min_s`, or is heard
      `backchannel_max_s` after the begin, and the robot sounded for `overlap_min_s` meanwhile.
    - backchannel: the person stopped before that, and the robot sounded for `overlap_min_s` after
      it in the same stretch. Onset: the person's.
    - interruption_resolved: the suspicion was wrong and it was no backchannel either, as at an
      ordinary change of turn or a cough that is too short for speech.

    After a confirmed interruption:

    - robot_silenced: both still sound `yield_after_s` after the confirmation, the robot in that
      stretch, and `yield_` is "assist": whoever plays the robot's sound is to fade it out and to
      keep the model silent (`GivingWay`). Again where it then begins anew before the person has
      ended, and both sound for as long. Onset: now.
    - robot_yielded: that stretch of the robot ended within `robot_yield_window_s` of the onset of
      the interruption, or later where it was silenced. Onset: the end of the robot's sound.
    - robot_kept_floor: the robot is heard in that stretch after that time. Onset: its end.
    - interruption_resolved: the person has stopped, and the robot kept the floor or has started
      anew, whichever is found out first; or neither speaks for `long_silence_s`. Onset: the later
      of these.

    The floor belongs to who spoke a turn last. These take it from the other:

    - user_takeover: speech of the person that is neither a backchannel nor an interruption, once it
      is as long as an interruption or over. Onset: the person's.
    - robot_takeover: speech of the robot, once it has lasted for `takeover_min_s`, has
      `takeover_min_words` words, or is over and was no backchannel. Onset: the robot's.
    - robot_yielded gives it to the person.
    - robot_backchannel, which leaves it: speech of the robot shorter than that which began and was
      over within one stretch of the person's. Onset: the robot's.

    And for both together:

    - overlap_started, overlap_ended: both speak and the robot sounds for `overlap_min_s` of it; one
      stops. Onsets: the later begin, the earlier end.
    - engagement_started: the person has spoken for `engagement_min_speech_s`. Onset: the person's.
    - engagement_ended: for `engagement_end_s` the person did not speak, the time in which the
      robot spoke not counted. Onset: the end of the last speech.
    - user_finished: the person is silent, and the robot begins to answer, `finished` reaches
      `user_finished_on` or the silence `user_finished_silence_s`; anew where they have spoken on.
      Onset: the end of their sound.
    - long_silence: within an engagement neither speaks for `long_silence_s`; once until somebody
      does. Onset: the end of the last speech.

    Of the person's stretches of speech come user_started and user_stopped, strictly in turn, of
    the robot's robot_started and robot_stopped; a suspected start is repeated when it is confirmed.
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
        self._parameters = parameters
        self._rate = sample_rate
        self._frame_size = frame_size
        self._robot_delay = round(robot_delay_s * sample_rate)
        self.reset()

    def reset(self) -> None:
        """Begin a new conversation: both sides are silent."""
        parameters = self._parameters
        self._moment = Moment(
            SpeechGate(parameters.user_gate()), SpeechGate(parameters.robot_gate())
        )
        self._user_speech = SpeechJudge(USER_STARTED, USER_STOPPED)
        self._robot_speech = SpeechJudge(ROBOT_STARTED, ROBOT_STOPPED)
        self._interruption = InterruptionJudge(parameters)
        self._overlap = OverlapJudge(parameters)
        self._floor = FloorJudge(parameters)
        self._engagement = EngagementJudge(parameters)
        self._finish = FinishJudge(parameters)
        self._frames = 0
        self._decided_ns = 0

    @property
    def user_speaking(self) -> bool:
        """Whether the person speaks for sure, short pauses included."""
        return self._moment.user.speaking

    @property
    def robot_speaking(self) -> bool:
        """Whether the robot speaks, short pauses included."""
        return self._moment.robot.speaking

    @property
    def engaged(self) -> bool:
        """Whether an engagement goes on."""
        return self._engagement.engaged

    def update(
        self,
        stamp_ns: int,
        user: Sequence[Activity],
        robot: Sequence[Activity],
        piece: str = "",
        finished: float = 0.0,
    ) -> list[TurnEvent]:
        """Take the windows of the frame captured at `stamp_ns`; return what they decide.

        piece: the robot's text of this frame. finished: probability at its end that the person's
        turn is over.
        """
        self._decided_ns = stamp_ns + self._to_ns(self._frame_size)
        moment = self._moment
        moment.robot_words += words_begun(piece)
        verdicts: list[Verdict] = []
        for activity in robot:
            window = self._window(stamp_ns, activity, self._robot_delay)
            moment.user_edge, moment.robot_edge = None, moment.robot.push(window)
            if moment.robot.active:
                moment.robot_heard.add(window)
            verdicts += self._judge(moment)
        for activity in user:
            window = self._window(stamp_ns, activity, 0)
            moment.now = window.end
            moment.user_edge, moment.robot_edge = moment.user.push(window), None
            verdicts += self._judge(moment)
            verdicts += self._engagement.judge(moment, window)
        self._frames += 1
        verdicts += self._finish.judge(moment, finished, piece)
        return self._events(verdicts)

    def end(self) -> list[TurnEvent]:
        """End the conversation: what is open ends with what was heard; then begin a new one."""
        moment = self._moment
        moment.user_edge, moment.robot_edge = moment.user.end(), moment.robot.end()
        verdicts = [
            *self._edges(moment),
            *self._interruption.finish(),
            *self._overlap.judge(moment),
            *self._engagement.finish(moment),
        ]
        events = self._events(verdicts)
        self.reset()
        return events

    def _judge(self, moment: Moment) -> list[Verdict]:
        edges = self._edges(moment)
        meanings = self._interruption.judge(moment)
        stretch = moment.user.stretch
        user_open = stretch is not None and self._interruption.judges(stretch)
        floor = self._floor.judge(moment, meanings, user_open)
        return [*edges, *meanings, *self._overlap.judge(moment), *floor]

    def _edges(self, moment: Moment) -> list[Verdict]:
        verdicts = []
        if moment.robot_edge is not None:
            verdicts.append(self._robot_speech.judge(moment, moment.robot_edge))
        if moment.user_edge is not None:
            verdicts.append(self._user_speech.judge(moment, moment.user_edge))
        return verdicts

    def _events(self, verdicts: Iterable[Verdict]) -> list[TurnEvent]:
        return [
            TurnEvent(v.kind, v.onset.stamp_ns, self._decided_ns, v.confidence, v.episode,
                      v.state, v.revises)
            for v in verdicts
        ]  # fmt: skip

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


def words_begun(piece: str) -> int:
    """Return how many words a piece of text begins; they begin with a space, as in SentencePiece.

    The piece "lo" after " Hel" begins none.
    """
    return sum(before.isspace() and not after.isspace() for before, after in pairwise(piece))
