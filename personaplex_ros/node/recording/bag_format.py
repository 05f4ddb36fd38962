"""A conversation as the messages that the node publishes, for a bag; needs neither host."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from personaplex_ros.audio import float32_to_int16
from personaplex_ros.node.hosts.messages import time_fields, without_comments
from personaplex_ros.recording import BagMessage, Frame, Happening, Piece, State, Topic
from personaplex_ros.resources import PACKAGE, share_directory
from personaplex_ros.turns import TurnEvent, UserUtterance, Utterance

OWN = f"{PACKAGE}/msg/"
BOOL = "std_msgs/msg/Bool"
TOPICS = {
    "audio_in": f"{OWN}AudioFrame",
    "audio_out": f"{OWN}AudioFrame",
    "text": f"{OWN}TextToken",
    "transcript": f"{OWN}Utterance",
    "user_transcript": f"{OWN}UserUtterance",
    "turn_event": f"{OWN}TurnEvent",
    "motion_hold": BOOL,
    "user_speaking": BOOL,
    "robot_speaking": BOOL,
    "engaged": BOOL,
}
"""The bag's topics; `audio_in` is the microphone as the model heard it."""
_NUMBERS = {name: number for number, name in enumerate(TOPICS)}
_STATES = {
    "motion_hold": "hold",
    "user_speaking": "user_speaking",
    "robot_speaking": "robot_speaking",
    "engaged": "engaged",
}


class RosBag:
    """The topics and messages of one recording; see `recording.BagFormat`."""

    def __init__(self, rate: int, frame_id: str, full_name: Callable[[str], str]) -> None:
        """Read the definitions; `full_name` expands and remaps the name of a topic."""
        self._rate, self._frame_id = rate, frame_id
        self._store = get_typestore(Stores.ROS2_JAZZY)
        for path in sorted((share_directory() / "msg").glob("*.msg")):
            text = without_comments(path.read_text(encoding="utf-8"))
            self._store.register(get_types_from_msg(text, OWN + path.stem))
        self.topics = [self._topic(full_name(name), kind) for name, kind in TOPICS.items()]
        self._samples = [0, 0]
        self._state: State | None = None

    def messages(self, what: Frame | Happening, at_ns: int) -> list[BagMessage]:
        """Return what was published of something that came at a time."""
        made = (
            BagMessage(_NUMBERS[topic], at_ns, bytes(self._store.serialize_cdr(message, kind)))
            for topic, message in self._published(what, at_ns)
            for kind in (TOPICS[topic],)
        )
        return list(made)

    def begin(self) -> None:
        """Count samples from 0 again, and write every state with the first frame."""
        self._samples = [0, 0]
        self._state = None

    def _topic(self, name: str, kind: str) -> Topic:
        definition, _ = self._store.generate_msgdef(kind, ros_version=2)
        return Topic(name, kind, definition, self._store.hash_rihs01(kind), _qos(kind == BOOL))

    def _published(self, what: Frame | Happening, at_ns: int) -> Iterator[tuple[str, Any]]:
        if isinstance(what, Frame):
            yield "audio_in", self._audio(what.heard, what.stamp_ns, 0)
            yield "audio_out", self._audio(what.said, at_ns, 1)
            if self._state is None:
                yield from self._changes(State())
        elif isinstance(what, Piece):
            header = self._header(what.stamp_ns)
            yield "text", self._make("TextToken", header, what.frame, what.token, what.text)
        elif isinstance(what, Utterance):
            header, end = self._header(what.start_ns), self._time(what.end_ns)
            yield "transcript", self._make("Utterance", header, end, what.text, what.interrupted)
        elif isinstance(what, UserUtterance):
            header, end = self._header(what.start_ns), self._time(what.end_ns)
            yield "user_transcript", self._make("UserUtterance", header, end, what.text, what.final)
        elif isinstance(what, TurnEvent):
            yield "turn_event", self._event(what)
        else:
            yield from self._changes(what)

    def _changes(self, state: State) -> Iterator[tuple[str, Any]]:
        before, self._state = self._state, state
        for topic, field in _STATES.items():
            value = getattr(state, field)
            if before is None or value != getattr(before, field):
                yield topic, self._store.types[BOOL](value)

    def _audio(self, samples: NDArray[np.float32], stamp_ns: int, side: int) -> Any:
        first, self._samples[side] = self._samples[side], self._samples[side] + len(samples)
        header, data = self._header(stamp_ns), float32_to_int16(samples)
        return self._make("AudioFrame", header, self._rate, 1, first, data)

    def _event(self, event: TurnEvent) -> Any:
        latency = self._span(max(0, event.decided_ns - event.onset_ns))
        return self._make(
            "TurnEvent",
            self._header(event.onset_ns),
            event.kind,
            event.state,
            event.episode,
            event.revises,
            latency,
            float(event.confidence),
        )

    def _make(self, name: str, *fields: Any) -> Any:
        return self._store.types[OWN + name](*fields)

    def _header(self, stamp_ns: int) -> Any:
        return self._store.types["std_msgs/msg/Header"](self._time(stamp_ns), self._frame_id)

    def _time(self, ns: int) -> Any:
        return self._store.types["builtin_interfaces/msg/Time"](*time_fields(ns))

    def _span(self, ns: int) -> Any:
        return self._store.types["builtin_interfaces/msg/Duration"](*time_fields(ns))


def _qos(latched: bool) -> str:
    """Return the one profile of a topic, as rosbag2 stores it up to Iron: in numbers."""
    none = "{sec: 0, nsec: 0}"
    depth, durability = (1, 1) if latched else (10, 2)
    return (
        f"- history: 1\n  depth: {depth}\n  reliability: 1\n  durability: {durability}\n"
        f"  deadline: {none}\n  lifespan: {none}\n  liveliness: 1\n"
        f"  liveliness_lease_duration: {none}\n  avoid_ros_namespace_conventions: false"
    )
