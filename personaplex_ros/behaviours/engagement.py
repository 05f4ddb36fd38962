"""How long a person and the robot are in a conversation, from who speaks when."""

from __future__ import annotations

from dataclasses import dataclass

from personaplex_ros.behaviours.state import ConversationState


@dataclass
class Engagement:
    """Begins when the person speaks, ends when neither has spoken for `silence_s`.

    A robot that speaks by itself does not begin one. When the node is gone, it ends.
    """

    silence_s: float = 6.0
    _last_speech_s: float | None = None

    def __post_init__(self) -> None:
        if not self.silence_s > 0.0:
            raise ValueError(f"silence_s is {self.silence_s}; it must be above 0")

    @property
    def engaged(self) -> bool:
        """Whether it goes on, as of the last update."""
        return self._last_speech_s is not None

    def update(self, state: ConversationState) -> bool:
        """Take the state at one tick; return whether they are engaged."""
        if not state.known:
            self._last_speech_s = None
        elif state.user_speaking or (self.engaged and state.robot_speaking):
            self._last_speech_s = state.now_s
        elif self._last_speech_s is not None and (
            state.now_s - self._last_speech_s >= self.silence_s
        ):
            self._last_speech_s = None
        return self.engaged
