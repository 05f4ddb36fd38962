"""For how long nobody has spoken, suspected speech included."""

from __future__ import annotations

from personaplex_ros.turns import TurnUpdate
from personaplex_ros.turns.events import SUSPECTED, USER_STARTED, USER_STOPPED


class Quiet:
    """Counts the frames since either side spoke."""

    def __init__(self) -> None:
        self.frames = 0
        self.user_speaks = False
        self._suspected = False

    def follow(self, update: TurnUpdate) -> None:
        """Take a frame's update."""
        for event in update.events:
            if event.kind == USER_STARTED:
                self._suspected = event.state == SUSPECTED
            elif event.kind == USER_STOPPED:
                self._suspected = False
        self.user_speaks = update.user_speaking or self._suspected
        self.frames = 0 if self.user_speaks or update.robot_speaking else self.frames + 1
