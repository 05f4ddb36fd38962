"""What happens between the person's turn and the robot's."""

from __future__ import annotations

from dataclasses import dataclass

USER_STARTED = "user_started"
USER_STOPPED = "user_stopped"
USER_FINISHED = "user_finished"
ROBOT_STARTED = "robot_started"
ROBOT_STOPPED = "robot_stopped"
USER_TAKEOVER = "user_takeover"
ROBOT_TAKEOVER = "robot_takeover"
INTERRUPTION = "interruption"
ROBOT_YIELDED = "robot_yielded"
ROBOT_KEPT_FLOOR = "robot_kept_floor"
ROBOT_SILENCED = "robot_silenced"
INTERRUPTION_RESOLVED = "interruption_resolved"
BACKCHANNEL = "backchannel"
ROBOT_BACKCHANNEL = "robot_backchannel"
OVERLAP_STARTED = "overlap_started"
OVERLAP_ENDED = "overlap_ended"
LONG_SILENCE = "long_silence"
ENGAGEMENT_STARTED = "engagement_started"
ENGAGEMENT_ENDED = "engagement_ended"

SUSPECTED = "suspected"
CONFIRMED = "confirmed"


@dataclass(frozen=True)
class TurnEvent:
    """One event; the kinds are those of msg/TurnEvent.msg.

    onset_ns: when it happened acoustically. decided_ns: capture time of the last sample heard
    before the decision. Both in the microphone's clock. confidence: 0 to 1.
    episode: number of the happening that it tells of, which the messages about one stretch of
    speech, one interruption, one overlap or one engagement have in common; from 1 in every
    conversation. state: SUSPECTED while a later event of the episode may take it back, else
    CONFIRMED. revises: the kind of the suspected event of the episode that this one takes back, or
    "".
    """

    kind: str
    onset_ns: int
    decided_ns: int
    confidence: float
    episode: int = 0
    state: str = CONFIRMED
    revises: str = ""
