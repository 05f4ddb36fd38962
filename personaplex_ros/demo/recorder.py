"""Records what the node says: speech, words, turn events and holds, on the caller's clock."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from personaplex_ros.audio import int16_to_float32, resample, write_wave
from personaplex_ros.demo.console import Console
from personaplex_ros.files import write_whole
from personaplex_ros.node.hosts.bus import LATCHED, RELIABLE, Bus
from personaplex_ros.node.hosts.messages import NS_PER_S, time_ns
from personaplex_ros.recording import (
    EVENTS,
    TRANSCRIPT,
    WAVE,
    event_line,
    head_line,
    line,
    transcript_line,
    user_transcript_line,
    user_utterance_line,
    utterance_line,
)
from personaplex_ros.recording.reading import read_folder
from personaplex_ros.timeline import is_drawn, write_timeline
from personaplex_ros.turns import TurnEvent, UserUtterance, Utterance

FILES = (WAVE, TRANSCRIPT, EVENTS, "timeline.png", "timeline.html")
"""What `Recorder.save` writes: a recording as the node's, without a bag, and its timeline."""


@dataclass
class Heard:
    """What has come so far; times in seconds of the caller's recording."""

    speech: list[tuple[float, np.ndarray]] = field(default_factory=list)
    rate: int = 0
    pieces: list[tuple[float, str]] = field(default_factory=list)
    events: list[TurnEvent] = field(default_factory=list)
    utterances: list[Utterance] = field(default_factory=list)
    user_utterances: list[UserUtterance] = field(default_factory=list)
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
            ("user_transcript", own + "UserUtterance", RELIABLE, self._on_user_transcript),
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
        wave, transcript, events, timeline, _ = (folder / name for name in FILES)
        robot = robot_channel(heard, len(caller), rate)
        write_wave(wave, np.stack([caller, robot], axis=1), rate)
        self._write(transcript, self._transcript(heard))
        self._write(events, self._lines(heard, title, len(caller) / rate))
        return [wave, transcript, events, *write_timeline(read_folder(folder), timeline)]

    def _write(self, path: Path, lines: Iterable[str]) -> None:
        content = "".join(lines)
        write_whole(path, lambda place: place.write_text(content, encoding="utf-8"))

    def _transcript(self, heard: Heard) -> Iterator[str]:
        both: list[Utterance | UserUtterance] = [*heard.utterances, *heard.user_utterances]
        for said in sorted(both, key=lambda said: said.start_ns):
            start_s, end_s = self._seconds(said.start_ns), self._seconds(said.end_ns)
            if isinstance(said, Utterance):
                yield transcript_line(start_s, end_s, said.text, said.interrupted)
            else:
                yield user_transcript_line(start_s, end_s, said.text)

    def _lines(self, heard: Heard, title: str, duration_s: float) -> list[str]:
        """Return the lines of the recording, in the order of their times."""
        seconds = self._seconds
        lines = [(at, line("text", at, text=text)) for at, text in heard.pieces]
        lines += [(at, line("hold", at, value=held)) for at, held in heard.holds]
        for event in heard.events:
            onset_s, decided_s = seconds(event.onset_ns), seconds(event.decided_ns)
            lines.append((onset_s, event_line(event, onset_s, decided_s)))
        for said in heard.utterances:
            start_s, end_s = seconds(said.start_ns), seconds(said.end_ns)
            lines.append((start_s, utterance_line(said, start_s, end_s)))
        for told in heard.user_utterances:
            start_s, end_s = seconds(told.start_ns), seconds(told.end_ns)
            lines.append((start_s, user_utterance_line(told, start_s, end_s)))
        ordered = sorted(lines, key=lambda entry: entry[0])
        return [
            head_line(title),
            *(text for at, text in ordered if at < duration_s),
            line("end", duration_s, why="the caller hung up"),
        ]

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
        if at is not None:
            if is_drawn(message.kind, message.state, message.revises):
                self._console.event(at, message.kind)
            onset_ns = time_ns(message.header.stamp)
            event = TurnEvent(
                message.kind,
                onset_ns,
                onset_ns + time_ns(message.latency),
                message.confidence,
                message.episode,
                message.state,
                message.revises,
            )
            with self._lock:
                self.heard.events.append(event)

    def _on_transcript(self, message: Any, _: str) -> None:
        start_ns, end_ns = time_ns(message.header.stamp), time_ns(message.end)
        if self._since_start(message.header.stamp) is not None:
            with self._lock:
                utterance = Utterance(start_ns, end_ns, message.text, bool(message.interrupted))
                self.heard.utterances.append(utterance)

    def _on_user_transcript(self, message: Any, _: str) -> None:
        at = self._since_start(message.header.stamp)
        if at is not None and message.final:
            if at < self._duration_s:
                self._console.line(f"{at:7.2f} s  caller: {message.text}")
            start_ns, end_ns = time_ns(message.header.stamp), time_ns(message.end)
            with self._lock:
                heard = UserUtterance(start_ns, end_ns, message.text, final=True)
                self.heard.user_utterances.append(heard)

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
        seconds = self._seconds(time_ns(stamp))
        return seconds if seconds >= 0 else None

    def _seconds(self, ns: int) -> float:
        return (ns - (self._start_ns or 0)) / NS_PER_S


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
