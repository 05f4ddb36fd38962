"""What is given up while the robot hears itself in spite of all: first its volume, then its ear."""

from __future__ import annotations

from enum import Enum

HEARS_ITSELF, WELL = 0.25, 0.05
"""Share of the robot's speech that passes for a person's: too much, and little enough."""
PATIENCE_S = 3.0
"""Of the robot's speech, for which a step must have helped before the next is taken."""
RECOVERY_S = 20.0
"""Of the robot's speech without trouble, after which a step is taken back."""


class Duplex(Enum):
    """How the robot listens while it speaks."""

    FULL = "full"
    DUCKED = "ducked"
    HALF = "half"


class DuplexJudge:
    """Goes one step further while the robot hears itself, and one back when it has ceased to."""

    def __init__(self) -> None:
        self.duplex = Duplex.FULL
        self._ill_s = self._well_s = 0.0

    def follow(self, heard: float, spoken_s: float) -> None:
        """Take the share that is heard after `spoken_s` more of the robot's speech.

        heard: share of the robot's speech in which its own voice passes for speech.
        """
        self._ill_s = self._ill_s + spoken_s if heard >= HEARS_ITSELF else 0.0
        self._well_s = self._well_s + spoken_s if heard <= WELL else 0.0
        steps = list(Duplex)
        at = steps.index(self.duplex)
        if self._ill_s >= PATIENCE_S and at + 1 < len(steps):
            at += 1
        elif self._well_s >= RECOVERY_S and at > 0:
            at -= 1
        if steps[at] is not self.duplex:
            self.duplex, self._ill_s, self._well_s = steps[at], 0.0, 0.0
