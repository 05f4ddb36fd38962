"""The topic audio_in: messages of the chosen type become chunks for the intake."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from personaplex_ros.audio import AudioChunk
from personaplex_ros.node.hosts.bus import LATCHED, Bus, Qos
from personaplex_ros.node.sound.publisher_identity import StreamsByContinuity
from personaplex_ros.node.sound.reading import (
    AudioMessageError,
    RawFormat,
    audio_message_class,
    raw_format,
    read_audio,
)
from personaplex_ros.node.sound.types import AUDIO_DATA, AUDIO_DATA_STAMPED, AUDIO_INFO

DEPTH = 50
"""Room for a second of messages of 20 ms: a burst after a hiccup is not lost."""
MICROPHONE = Qos(reliable=True, transient_local=False, depth=DEPTH)
"""Of a publisher: what is lost can be sent again for as long."""

Deliver = Callable[[AudioChunk, int, float], None]
"""Called with a chunk, its arrival in node time [ns] and in time.perf_counter() [s]."""


class MicrophoneTopic:
    """The microphone's topic; best effort matches reliable publishers as well."""

    notes = ()
    card = None

    def __init__(
        self,
        bus: Bus,
        type_name: str,
        parameter_format: RawFormat,
        max_gap_s: float,
        deliver: Deliver,
        *,
        topic: str = "audio_in",
        reliable: bool = False,
    ) -> None:
        """Open the topic; a rate of 0 in `parameter_format` waits for its audio_in_info.

        Another topic of sound is read in the same way. Raises LookupError naming the package to
        install when the type is missing.
        """
        self.remedy = (
            f"is the driver running, and does it publish {type_name} on {topic}? "
            f"See: ros2 topic info -v {topic}"
        )
        if reliable:
            self.remedy += f" ({topic}_reliability is reliable: is the publisher, too?)"
        self._bus = bus
        self._type_name = type_name
        self._deliver = deliver
        self._raw = parameter_format if parameter_format.rate > 0 else None
        self._compressed: str | None = None
        self._streams = StreamsByContinuity(max_gap_s)
        self.unreadable = 0
        self.last_problem = ""
        audio_message_class(bus, type_name)
        self._open = ExitStack()
        if type_name in (AUDIO_DATA, AUDIO_DATA_STAMPED):
            info = bus.subscribe(f"{topic}_info", AUDIO_INFO, LATCHED, self._take_info)
            self._open.callback(info.close)
        audio = bus.subscribe(topic, type_name, Qos(reliable, False, DEPTH), self._take_audio)
        self._open.callback(audio.close)

    def start(self) -> None:
        """Nothing to start: the subscription delivers from the beginning."""

    def stop(self) -> None:
        """Nothing to stop."""

    def close(self) -> None:
        """Close the topic."""
        self._open.close()

    def _take_info(self, message: Any, publisher: str) -> None:
        try:
            self._raw, self._compressed = raw_format(message), None
        except AudioMessageError as error:
            self._compressed = str(error)

    def _take_audio(self, message: Any, publisher: str) -> None:
        arrived_at = time.perf_counter()
        now_ns = self._bus.now_ns()
        try:
            if self._compressed is not None:
                raise AudioMessageError(self._compressed)
            chunk = read_audio(self._type_name, message, publisher, self._raw)
        except (AudioMessageError, ValueError, OverflowError) as error:
            self._reject(str(error))
            return
        if not publisher and chunk.first_sample is not None and chunk.channels > 0:
            length = chunk.samples.size // chunk.channels
            source = self._streams.identify(chunk.first_sample, length, chunk.rate)
            chunk = replace(chunk, source=source)
        self._deliver(chunk, now_ns, arrived_at)

    def _reject(self, problem: str) -> None:
        self.unreadable += 1
        self.last_problem = problem
