"""The thresholds of the turn tracker."""

from __future__ import annotations

from dataclasses import dataclass

from .detection.gate import GateParameters

NEVER = 1.1
"""A probability that is never reached."""
MODEL, ASSIST = YIELD_CHOICES = ("model", "assist")


def nanoseconds(seconds: float) -> int:
    """Return a length in whole nanoseconds."""
    return round(seconds * 1e9)


@dataclass(frozen=True)
class TurnParameters:
    """Thresholds of the turn tracker; times in seconds. docs/turn_taking.md says how to tune them.

    user_on, user_off: speech probability at which the person's speech begins and ends.
    user_suspect_on, user_suspect_s: probability and length of what may be speech that make a begin
    suspected; one window of the detector (32 ms) is the fastest, user_min_speech_s waits until it
    is confirmed.
    user_min_speech_s: speech that confirms a begin. user_end_silence_s: silence that ends it.
    user_finished_on: probability that the person's turn is over (TurnEndJudge) at which it is;
    above 1 it is never asked. user_finished_silence_s: silence after which it is over anyway.
    background_share: share of the robot's speech in which somebody else is heard from which on that
    is a television or the like (BackgroundGuard); above 1 nothing is.
    echo_loss_db: how far below the robot's level the person may be while the robot speaks; what is
    softer is taken for the robot's echo (EchoGuard).
    robot_on_dbfs, robot_off_dbfs, robot_min_speech_s, robot_end_silence_s: the same of the robot,
    by the level of its own audio.
    interruption_min_s: speech of the person, pauses not counted, that makes an interruption or a
    turn. The detector adds up to 0.1 s to a sound, so an "okay" of 0.45 s counts as 0.5 s.
    backchannel_max_s: the same with pauses counted: a row of short sounds that lasts longer.
    overlap_min_s: sound of the robot in that time. Less is the end of its turn, not a break-in.
    robot_yield_window_s: time from the begin of an interruption in which the robot has to fall
    silent to have yielded.
    yield_: "model" leaves it to the model whether it falls silent; with "assist" robot_silenced
    asks for help where it still sounds yield_after_s after an interruption was confirmed.
    takeover_min_s, takeover_min_words: length and number of words that make the robot's speech a
    turn, whichever it reaches first; less may be a backchannel.
    long_silence_s: time in which neither speaks.
    engagement_min_speech_s: speech of the person that begins an engagement.
    engagement_end_s: time without the person's speech that ends it; while the robot speaks it
    stands still.
    """

    user_on: float = 0.5
    user_off: float = 0.35
    user_suspect_on: float = 0.2
    user_suspect_s: float = 0.032
    user_min_speech_s: float = 0.096
    user_end_silence_s: float = 0.32
    user_finished_on: float = NEVER
    user_finished_silence_s: float = 1.2
    background_share: float = 0.4
    echo_loss_db: float = 30.0
    robot_on_dbfs: float = -45.0
    robot_off_dbfs: float = -50.0
    robot_min_speech_s: float = 0.06
    robot_end_silence_s: float = 0.4
    interruption_min_s: float = 0.6
    backchannel_max_s: float = 1.0
    overlap_min_s: float = 0.2
    robot_yield_window_s: float = 2.0
    yield_: str = "model"
    yield_after_s: float = 0.3
    takeover_min_s: float = 1.0
    takeover_min_words: int = 4
    long_silence_s: float = 4.0
    engagement_min_speech_s: float = 0.4
    engagement_end_s: float = 20.0

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
        if self.yield_ not in YIELD_CHOICES:
            raise ValueError(f"yield is {self.yield_!r}; choose one of {', '.join(YIELD_CHOICES)}")
        if self.yield_after_s < 0:
            raise ValueError(f"yield_after_s must not be negative, got {self.yield_after_s}")
        for name in ("user_finished_on", "user_finished_silence_s", "background_share",
                     "robot_yield_window_s", "takeover_min_s", "takeover_min_words",
                     "long_silence_s", "engagement_min_speech_s"):  # fmt: skip
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        if self.engagement_end_s < self.long_silence_s:
            raise ValueError(
                f"engagement_end_s {self.engagement_end_s} must be at least long_silence_s "
                f"{self.long_silence_s}"
            )

    def user_gate(self) -> GateParameters:
        """Return the gate of the person's speech."""
        return GateParameters(
            self.user_on,
            self.user_off,
            self.user_suspect_on,
            self.user_suspect_s,
            self.user_min_speech_s,
            self.user_end_silence_s,
        )

    def robot_gate(self) -> GateParameters:
        """Return the gate of the robot's speech; the levels' hysteresis lies in the detector.

        The robot's own audio is clean, so nothing of it is suspected before it is sure.
        """
        least = self.robot_min_speech_s
        return GateParameters(0.5, 0.5, 0.5, least, least, self.robot_end_silence_s)
