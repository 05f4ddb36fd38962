"""What a behaviour tree knows of the conversation at one tick."""

from __future__ import annotations

from dataclasses import dataclass

STALE_S = 0.5
"""The node repeats its state 10 times a second; after five in a row that did not come, it is gone.
The same as the timeout of the lock in config/twist_mux.yaml."""


@dataclass(frozen=True)
class ConversationState:
    """A snapshot; times in seconds of one clock.

    heard_s: when the state last came, None before it did. hold is motion_hold.
    """

    now_s: float
    heard_s: float | None = None
    user_speaking: bool = False
    robot_speaking: bool = False
    engaged: bool = False
    hold: bool = False

    @property
    def known(self) -> bool:
        """Whether the node is there."""
        return self.heard_s is not None and self.now_s - self.heard_s <= STALE_S

    @property
    def must_hold(self) -> bool:
        """Whether motion must pause: as a lock of twist_mux, it must while nothing is known."""
        return self.hold or not self.known
