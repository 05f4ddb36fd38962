"""Whether the model answers, which tells that it takes the person's turn for over."""

from __future__ import annotations

from ..detection.gate import Stretch
from .moment import Moment

MURMURS = (
    "ah", "aha", "all right", "alright", "exactly", "hm", "hmm", "huh", "i see", "mhm", "mm",
    "mm hm", "mm hmm", "oh", "ok", "okay", "really", "right", "sure", "uh huh", "um hum", "yeah",
    "yep", "yes",
)  # fmt: skip
"""What a listener murmurs, after the continuers that Jurafsky et al. 1998 count in Switchboard."""


class Reply:
    """What the robot says since the person was last heard, as far as it takes to judge it."""

    def __init__(self) -> None:
        self._text = ""
        self._begun_ns = 0

    def push(self, moment: Moment, piece: str) -> bool:
        """Take the text of a frame; return whether the robot now answers.

        What it still says of a speech into which the person spoke is no answer.
        """
        user, robot = moment.user.stretch, moment.robot
        if user is None or (robot.speaking and _began_before(robot.stretch, user)):
            self._text = ""
            return False
        if user.end.heard_ns > self._begun_ns:
            self._text = ""
        if piece and not is_answer(self._text):
            if not self._text:
                self._begun_ns = moment.now.heard_ns
            self._text += piece
        return is_answer(self._text)


def _began_before(robot: Stretch | None, user: Stretch) -> bool:
    return robot is not None and robot.onset.heard_ns <= user.onset.heard_ns


def is_answer(text: str) -> bool:
    """Return whether a text is more than a murmur or two, and cannot still become one."""
    rest = " ".join("".join(c if c.isalnum() else " " for c in text.lower()).split())
    while murmur := next((m for m in MURMURS if rest.startswith(m + " ")), ""):
        rest = rest[len(murmur) + 1 :]
    return bool(rest) and not any(murmur.startswith(rest) for murmur in MURMURS)
