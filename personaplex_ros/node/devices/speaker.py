"""The topic audio_out on a sound card's loudspeaker."""

from __future__ import annotations

import threading
from contextlib import ExitStack

from personaplex_ros.audio import AudioChunk, IntakeLimits, MicrophoneIntake
from personaplex_ros.node.devices.health import DeviceHealth
from personaplex_ros.node.devices.parameters import SpeakerParameters
from personaplex_ros.node.health.cards import card_status
from personaplex_ros.node.health.growth import Growth
from personaplex_ros.node.hosts.bus import Bus
from personaplex_ros.node.hosts.messages import OK, WARN, Status
from personaplex_ros.node.sound.cards import CardLoudspeaker
from personaplex_ros.node.sound.microphone_topic import MicrophoneTopic
from personaplex_ros.node.sound.reading import RawFormat

TOPIC = "audio_out"
RATE = 24_000
"""Samples per second of the model's speech; what has another rate is resampled."""
FRAME = RATE // 50
MOST_FRAMES = 50
"""One message may be as long as a second."""
POLL_S = 0.1
_REFUSED = ("empty", "oversized", "bad_format", "bad_channels", "bad_rate", "second_publisher")


class SpeakerNode:
    """Plays what is published, in order, gaps filled and faults counted as for the microphone.

    What comes while the card is gone is dropped. Raises AudioDeviceError if the card cannot be
    opened, LookupError when the message type is not installed.
    """

    def __init__(self, bus: Bus, parameters: SpeakerParameters) -> None:
        self._growth = Growth()
        self._stopping = threading.Event()
        limits = IntakeLimits(max_backlog_frames=MOST_FRAMES)
        self._intake = MicrophoneIntake(RATE, FRAME, limits)
        self._open = ExitStack()
        with self._open:
            self._card = CardLoudspeaker(bus, parameters.card, RATE)
            self._open.callback(self._card.close)
            thread = threading.Thread(target=self._run, name="loudspeaker", daemon=True)
            thread.start()
            self._open.callback(thread.join)
            self._open.callback(self._stopping.set)
            self._topic = MicrophoneTopic(
                bus,
                parameters.audio_out_type,
                RawFormat(parameters.audio_out_rate, 1),
                limits.max_gap_fill_s,
                self._take,
                topic=TOPIC,
                reliable=parameters.audio_out_reliability == "reliable",
            )
            self._open.callback(self._topic.close)
            health = DeviceHealth(bus, parameters.diagnostics_period_s, self._statuses)
            self._open.callback(health.close)
            self._open = self._open.pop_all()
        bus.log("info", f"the loudspeaker is {self._card.card.name}")

    def close(self) -> None:
        """Close the topic and free the card."""
        self._open.close()

    def _take(self, chunk: AudioChunk, now_ns: int, arrived_at: float) -> None:
        self._intake.accept(chunk, now_ns)

    def _run(self) -> None:
        while not self._stopping.is_set():
            frame = self._intake.take(POLL_S)
            if frame is not None:
                self._card.write(frame.samples)

    def _statuses(self) -> list[Status]:
        return [card_status(self._card.card, self._growth), self._speech()]

    def _speech(self) -> Status:
        counters = self._intake.snapshot()
        refused = sum(getattr(counters, name) for name in _REFUSED)
        problems = (self._topic.last_problem, self._intake.last_problem or "")
        values = [
            ("messages", str(counters.chunks)),
            ("refused messages", str(refused)),
            ("unreadable messages", str(self._topic.unreadable)),
            ("gaps", str(counters.gaps)),
            ("gap samples", str(counters.gap_samples)),
            ("concealed samples", str(counters.concealed_samples)),
            ("reordered", str(counters.reordered)),
            ("last problem", "; ".join(problem for problem in problems if problem)),
        ]
        if self._growth.of("unreadable", self._topic.unreadable):
            return Status("speech", WARN, self._topic.last_problem, values)
        if self._growth.of("refused", refused):
            return Status("speech", WARN, self._intake.last_problem or "", values)
        if not counters.chunks:
            return Status("speech", OK, f"nothing has come yet; {self._topic.remedy}", values)
        return Status("speech", OK, "speech is played", values)
