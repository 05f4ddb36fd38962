"""What happens between the person's turn and the robot's."""

from __future__ import annotations

from dataclasses import dataclass

USER_STARTED = "user_started"
USER_STOPPED = "user_stopped"
ROBOT_STARTED = "robot_started"
ROBOT_STOPPED = "robot_stopped"
INTERRUPTION = "interruption"
ROBOT_YIELDED = "robot_yielded"
BACKCHANNEL = "backchannel"


@dataclass(frozen=True)
class TurnEvent:
    """One event; the kinds are those of msg/TurnEvent.msg.

    onset_ns: when it happened acoustically. decided_ns: capture time of the last sample heard
    before the decision. Both in the microphone's clock. confidence: 0 to 1.
    """

    kind: str
    onset_ns: int
    decided_ns: int
    confidence: float
