"""The folder of one recording: sound, what happened, the transcript and the bag."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from personaplex_ros.turns import TurnEvent, UserUtterance, Utterance

from .bag import BagMessage, BagWriter, Topic
from .growing_file import GrowingFile
from .growing_wave import GrowingWave
from .lines import (
    event_line,
    head_line,
    line,
    transcript_line,
    user_transcript_line,
    user_utterance_line,
    utterance_line,
)
from .places import NS_PER_S, Places

WAVE = "conversation.wav"
EVENTS = "events.jsonl"
TRANSCRIPT = "transcript.txt"
BAG = "bag"
FLUSH_S = 2.0  # what the bag loses at most when the process is killed


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame of both sides, float32 [n] each, which nobody changes any more.

    stamp_ns: capture time of the first sample of `heard`; `said` is heard when `heard` has ended.
    number: runs on from frame to frame, also over those that were not recorded.
    """

    number: int
    stamp_ns: int
    heard: NDArray[np.float32]
    said: NDArray[np.float32]


@dataclass(frozen=True)
class Piece:
    """A piece of the robot's text: when it is heard, the step, the token and its text."""

    stamp_ns: int
    frame: int
    token: int
    text: str


@dataclass(frozen=True)
class State:
    """What the latched topics tell from now on."""

    user_speaking: bool = False
    robot_speaking: bool = False
    engaged: bool = False
    hold: bool = False


Happening = Piece | TurnEvent | Utterance | UserUtterance | State


class BagFormat(Protocol):
    """How a conversation becomes the messages of a bag."""

    @property
    def topics(self) -> Sequence[Topic]:
        """The topics, by whose numbers messages refer to them."""

    def begin(self) -> None:
        """Begin another recording: samples count from 0."""

    def messages(self, what: Frame | Happening, at_ns: int) -> Sequence[BagMessage]:
        """Return what was published of something that came at a time."""


class FolderWriter:
    """Writes one recording as it comes; for one thread. All methods may raise OSError in words.

    Left in the wave is the microphone as the model heard it, right the robot as it was heard. Time
    is counted in frames from the first: it is the model's time, without what it did not hear.
    """

    def __init__(
        self,
        folder: Path,
        rate: int,
        title: str,
        head: Mapping[str, Any],
        bag: BagFormat | None = None,
    ) -> None:
        """Make the files in a folder, which is there; `head` goes into the first line, too."""
        self.folder = folder
        self.rate = rate
        self._title, self._head = title, head
        self._bag_format = bag
        self._first: Frame | None = None
        self._last_ns = 0  # capture time of the last frame
        self._places = Places(rate)
        self._number = 0
        self._tail: NDArray[np.float32] | None = None
        self._hold = False
        self._closers: list[Callable[[], None]] = []
        self._flushed_s = 0.0
        try:
            self._events = GrowingFile(folder / EVENTS)
            self._closers.append(self._events.close)
            with suppress(OSError):  # a file system without locks; see archive.py
                fcntl.flock(self._events.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._transcript = GrowingFile(folder / TRANSCRIPT)
            self._closers.append(self._transcript.close)
            self._wave = GrowingWave(folder / WAVE, rate, channels=2)
            self._closers.append(self._wave.close)
            self._bag: BagWriter | None = None
            if bag is not None:
                bag.begin()
                self._bag = BagWriter(folder / BAG, bag.topics)
                self._closers.append(self._bag.abandon)
        except BaseException:
            self.abandon()
            raise

    @property
    def duration_s(self) -> float:
        """Length so far in seconds."""
        return self._wave.samples / self.rate

    @property
    def size(self) -> int:
        """Bytes that were written so far."""
        bag = 0 if self._bag is None else self._bag.size
        return self._wave.size + self._events.size + self._transcript.size + bag

    def frame(self, frame: Frame) -> None:
        """Append a frame; where some are missing before it, silence takes their place."""
        if self._first is None:
            self._begin(frame)
        missing = frame.number - self._number - 1
        if missing > 0:
            self._fill(missing, len(frame.heard))
        silence = np.zeros(len(frame.heard), np.float32)
        said = silence if self._tail is None else self._tail
        self._last_ns = frame.stamp_ns
        self._places.add(frame.stamp_ns, self._wave.samples)
        self._wave.write(np.stack([frame.heard, said], axis=1))
        self._tail, self._number = frame.said, frame.number
        self._to_bag(frame)
        if self._bag is not None and self.duration_s - self._flushed_s >= FLUSH_S:
            self._flushed_s = self.duration_s
            self._bag.flush()

    def happened(self, what: Happening) -> None:
        """Append something that came after the last frame."""
        if self._first is None:
            return
        at = self._places.seconds
        if isinstance(what, Piece):
            self._line(
                line("text", at(what.stamp_ns), text=what.text, token=what.token, frame=what.frame)
            )
        elif isinstance(what, TurnEvent):
            self._line(event_line(what, at(what.onset_ns), at(what.decided_ns)))
        elif isinstance(what, Utterance):
            start_s, end_s = at(what.start_ns), at(what.end_ns)
            self._line(utterance_line(what, start_s, end_s))
            text = transcript_line(start_s, end_s, what.text, what.interrupted)
            self._transcript.write(text.encode())
        elif isinstance(what, UserUtterance):
            if what.final:
                start_s, end_s = at(what.start_ns), at(what.end_ns)
                self._line(user_utterance_line(what, start_s, end_s))
                self._transcript.write(user_transcript_line(start_s, end_s, what.text).encode())
        elif what.hold != self._hold:
            self._hold = what.hold
            self._line(line("hold", self.duration_s, value=what.hold))
        self._to_bag(what)

    def finish(self, why: str) -> None:
        """Write what is left, tell why the recording ends and close the files."""
        try:
            if self._tail is not None:
                heard = np.zeros(len(self._tail), np.float32)
                self._wave.write(np.stack([heard, self._tail], axis=1))
            self._line(line("end", self.duration_s, why=why))
            if self._bag is not None:
                self._bag.finish()
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Close the files as they are; raises nothing."""
        while self._closers:
            with suppress(OSError):
                self._closers.pop()()

    def _begin(self, frame: Frame) -> None:
        self._first, self._number = frame, frame.number - 1
        self._line(head_line(self._title, stamp_ns=frame.stamp_ns, **self._head))

    def _fill(self, frames: int, size: int) -> None:
        self._line(line("lost", self.duration_s, seconds=round(frames * size / self.rate, 2)))
        for _ in range(frames):
            self._wave.write(np.zeros((size, 2), np.float32))
        self._tail = None

    def _to_bag(self, what: Frame | Happening) -> None:
        if self._bag is None or self._bag_format is None or self._first is None:
            return
        frame_ns = round(len(self._first.heard) * NS_PER_S / self.rate)
        for message in self._bag_format.messages(what, self._last_ns + frame_ns):
            self._bag.write(message)

    def _line(self, text: str) -> None:
        self._events.write(text.encode())
