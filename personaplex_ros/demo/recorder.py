"""Records what the node says: speech, words, turn events and holds, on the caller's clock."""

from __future__ import annotations

import json
import threading
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from personaplex_ros.audio import int16_to_float32, resample, write_wave
from personaplex_ros.demo.console import Console
from personaplex_ros.files import write_whole
from personaplex_ros.node.hosts.bus import LATCHED, RELIABLE, Bus
from personaplex_ros.node.hosts.messages import NS_PER_S, time_ns
from personaplex_ros.timeline import (
    Mark,
    Recording,
    is_drawn,
    state_spans,
    words_from_pieces,
    write_timeline,
)

FILES = ("conversation.wav", "transcript.txt", "events.json", "timeline.png", "timeline.html")
"""What `Recorder.save` writes."""


@dataclass
class Heard:
    """What has come so far; times in seconds of the caller's recording."""

    speech: list[tuple[float, np.ndarray]] = field(default_factory=list)
    rate: int = 0
    pieces: list[tuple[float, str]] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    utterances: list[tuple[float, float, str, bool]] = field(default_factory=list)
    holds: list[tuple[float, bool]] = field(default_factory=list)


class Recorder:
    """Subscribes to the node's topics from construction on; keeps what falls into the recording."""

    def __init__(self, bus: Bus, console: Console) -> None:
        self._bus = bus
        self._console = console
        self._lock = threading.Lock()
        self._start_ns: int | None = None
        self._duration_s = 0.0
        self.heard = Heard()
        self.active = threading.Event()  # set when the node is active
        own = "personaplex_ros/msg/"
        for topic, kind, qos, callback in (
            ("/diagnostics", "diagnostic_msgs/msg/DiagnosticArray", RELIABLE, self._on_diagnostics),
            ("audio_out", own + "AudioFrame", RELIABLE, self._on_speech),
            ("text", own + "TextToken", RELIABLE, self._on_text),
            ("transcript", own + "Utterance", RELIABLE, self._on_transcript),
            ("turn_event", own + "TurnEvent", RELIABLE, self._on_event),
            ("motion_hold", "std_msgs/msg/Bool", LATCHED, self._on_hold),
        ):
            bus.subscribe(topic, kind, qos, callback)

    def begin(self, start_ns: int, duration_s: float) -> None:
        """Take ``start_ns`` as time 0; what was heard before does not count.

        What comes after ``duration_s`` is recorded, but no longer shown.
        """
        with self._lock:
            self.heard = Heard()
            self._start_ns = start_ns
            self._duration_s = duration_s

    def save(self, folder: Path, caller: np.ndarray, rate: int, title: str) -> list[Path]:
        """Write the two-channel wave (caller left), transcript, events and timeline.

        ``caller`` is float32 [n] at ``rate``. Returns the paths of the files.
        """
        folder.mkdir(parents=True, exist_ok=True)
        with self._lock:
            heard, self.heard = self.heard, Heard()
        duration_s = len(caller) / rate
        pieces = sorted(piece for piece in heard.pieces if piece[0] < duration_s)
        marks = [mark for mark in heard.marks if mark.onset_s < duration_s]
        robot = robot_channel(heard, len(caller), rate)
        wave, transcript, events, timeline, _ = (folder / name for name in FILES)
        write_wave(wave, np.stack([caller, robot], axis=1), rate)
        lines = [
            f"{start:7.2f} {end:7.2f}  {text}{' [interrupted]' * interrupted}\n"
            for start, end, text, interrupted in heard.utterances
        ]
        write_whole(transcript, lambda path: path.write_text("".join(lines), encoding="utf-8"))
        content = json.dumps([asdict(mark) for mark in marks], indent=1) + "\n"
        write_whole(events, lambda path: path.write_text(content, encoding="utf-8"))
        recording = Recording(
            sample_rate=rate,
            user=caller,
            agent=robot,
            words=words_from_pieces(pieces),
            marks=tuple(marks),
            title=title,
            hold=state_spans(heard.holds, duration_s),
        )
        return [wave, transcript, events, *write_timeline(recording, timeline)]

    def _on_diagnostics(self, message: Any, _: str) -> None:
        for status in message.status:
            values = {value.key: value.value for value in status.values}
            if values.get("state") == "active":
                self.active.set()
            now = self._now_s()
            if status.level and now is not None and now < self._duration_s:
                self._console.line(f"    node warns: {status.name}: {status.message}")

    def _on_speech(self, message: Any, _: str) -> None:
        at = self._since_start(message.header.stamp)
        if at is not None:
            with self._lock:
                self.heard.rate = message.sample_rate
                self.heard.speech.append((at, int16_to_float32(np.asarray(message.data))))

    def _on_text(self, message: Any, _: str) -> None:
        at = self._since_start(message.header.stamp)
        if at is not None:
            if at < self._duration_s:
                self._console.word(at, message.text)
            with self._lock:
                self.heard.pieces.append((at, message.text))

    def _on_event(self, message: Any, _: str) -> None:
        at = self._since_start(message.header.stamp)
        if at is not None and is_drawn(message.kind, message.state, message.revises):
            latency = time_ns(message.latency) / NS_PER_S
            self._console.event(at, message.kind)
            with self._lock:
                self.heard.marks.append(Mark(message.kind, at, at + latency))

    def _on_transcript(self, message: Any, _: str) -> None:
        start, end = self._since_start(message.header.stamp), self._since_start(message.end)
        if start is not None and end is not None:
            with self._lock:
                utterance = (start, end, message.text, bool(message.interrupted))
                self.heard.utterances.append(utterance)

    def _on_hold(self, message: Any, _: str) -> None:
        at = self._now_s()
        if at is not None:
            with self._lock:
                self.heard.holds.append((at, bool(message.data)))

    def _now_s(self) -> float | None:
        start_ns = self._start_ns
        return None if start_ns is None else (self._bus.now_ns() - start_ns) / NS_PER_S

    def _since_start(self, stamp: Any) -> float | None:
        """Return seconds since time 0; None for what belongs before it."""
        if self._start_ns is None:
            return None
        seconds = (time_ns(stamp) - self._start_ns) / NS_PER_S
        return seconds if seconds >= 0 else None


def robot_channel(heard: Heard, length: int, rate: int) -> np.ndarray:
    """Put the robot's speech to its times in a channel float32 [length]."""
    robot = np.zeros(length, np.float32)
    for start_s, samples in heard.speech:
        if heard.rate != rate:
            samples = resample(samples, heard.rate, rate)
        first = round(start_s * rate)
        part = samples[max(0, -first) : max(0, length - first)]
        robot[max(0, first) : max(0, first) + len(part)] = part
    return robot
