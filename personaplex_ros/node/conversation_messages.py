"""The messages that tell what is said and who has the turn."""

from __future__ import annotations

from typing import Any

from personaplex_ros.node.hosts.bus import Bus
from personaplex_ros.node.hosts.messages import set_header, set_time
from personaplex_ros.turns import TurnEvent, UserUtterance, Utterance


class MessageFactory:
    """Makes the node's outgoing messages, except audio, with one frame id."""

    def __init__(self, bus: Bus, frame_id: str) -> None:
        self._frame_id = frame_id
        self._text_token = bus.message("personaplex_ros/msg/TextToken")
        self._utterance = bus.message("personaplex_ros/msg/Utterance")
        self._user_utterance = bus.message("personaplex_ros/msg/UserUtterance")
        self._turn_event = bus.message("personaplex_ros/msg/TurnEvent")

    def text_token(self, *, stamp_ns: int, frame: int, token: int, text: str) -> Any:
        """Return a msg/TextToken; `stamp_ns` is when its speech frame begins."""
        message = self._text_token()
        set_header(message.header, stamp_ns, self._frame_id)
        message.frame = frame
        message.token = token
        message.text = text
        return message

    def utterance(self, utterance: Utterance) -> Any:
        """Return a msg/Utterance."""
        message = self._utterance()
        set_header(message.header, utterance.start_ns, self._frame_id)
        set_time(message.end, utterance.end_ns)
        message.text = utterance.text
        message.interrupted = utterance.interrupted
        return message

    def user_utterance(self, heard: UserUtterance) -> Any:
        """Return a msg/UserUtterance."""
        message = self._user_utterance()
        set_header(message.header, heard.start_ns, self._frame_id)
        set_time(message.end, heard.end_ns)
        message.text = heard.text
        message.final = heard.final
        return message

    def turn_event(self, event: TurnEvent) -> Any:
        """Return a msg/TurnEvent; a decision cannot lie before its onset."""
        message = self._turn_event()
        set_header(message.header, event.onset_ns, self._frame_id)
        message.kind = event.kind
        message.state = event.state
        message.episode = event.episode
        message.revises = event.revises
        set_time(message.latency, max(0, event.decided_ns - event.onset_ns))
        message.confidence = float(event.confidence)
        return message
