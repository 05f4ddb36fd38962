"""Which recording a conversation goes into: when one begins, goes on in another, and ends."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from .archive import Archive, Limits
from .folder import BagFormat, FolderWriter, Frame, Happening

MB = 1_000_000
ROOM_S = 5.0
"""Time between two looks at the room on the disk."""

Tell = Callable[[Literal["info", "error"], str], None]
"""Called with a level and a line for the log."""


@dataclass(frozen=True)
class JournalState:
    """What is recorded now.

    consent: whether it may be. folder: the recording that is being written, None if there is none.
    problem: why the last one ended before its time, empty when all is well. deleted: recordings
    that made way.
    """

    consent: bool
    folder: Path | None = None
    seconds: float = 0.0
    size: int = 0
    problem: str = ""
    deleted: int = 0


@dataclass(frozen=True)
class Heading:
    """What a recording is of: the robot's name, samples a second, and who it is at first."""

    robot: str
    rate: int
    title: str


class Journal:
    """Writes the conversations of a robot into folders of an archive; for one thread.

    A failure of any kind ends the recording, is told, and goes no further: it is tried again with
    the next conversation, and when consent is given.

    ask: consent holds for one conversation, and is not there at the begin. `title` is what the
    next recording is called.
    """

    def __init__(
        self,
        archive: Archive,
        limits: Limits,
        heading: Heading,
        bag: BagFormat | None,
        *,
        ask: bool,
        tell: Tell,
    ) -> None:
        self._archive, self._limits, self._heading, self._bag = archive, limits, heading, bag
        self._ask, self._tell = ask, tell
        self.title = heading.title
        self._writer: FolderWriter | None = None
        self._part = 1
        self._room_due = 0.0
        self._others = 0  # bytes of other recordings, when they were last looked at
        self.state = JournalState(consent=not ask)

    def frame(self, frame: Frame) -> None:
        """Record a frame, if it is to be recorded."""
        if self.state.consent and not self.state.problem:
            self._guarded(lambda: self._write(frame))

    def happened(self, what: Happening) -> None:
        """Record what came with the last frame, if that was recorded."""
        writer = self._writer
        if writer is not None:
            self._guarded(lambda: writer.happened(what))

    def consent(self, given: bool) -> None:
        """Record from the next frame on, or no longer; tells at once where it cannot be."""
        if given and (self._writer is None or not self.state.consent):
            self.state = replace(self.state, consent=True, problem="")
            self._guarded(self._look_for_room)
        elif not given:
            self.end("consent was withdrawn")
            self.state = replace(self.state, consent=False)

    def next_conversation(self, why: str) -> None:
        """End the recording because its conversation has ended; the next one is of another."""
        self.end(why)
        self._part = 1
        self.state = replace(self.state, consent=self.state.consent and not self._ask, problem="")

    def pause(self, why: str) -> None:
        """End the recording because its conversation pauses; it goes on in another folder."""
        self.end(why)
        self.state = replace(self.state, problem="")

    def end(self, why: str) -> None:
        """Complete what is being written, if anything."""
        writer = self._writer
        if writer is not None:
            self._guarded(lambda: self._complete(writer, why))

    def _write(self, frame: Frame) -> None:
        writer = self._writer
        if writer is not None and self._is_full(writer):
            self._part += 1
            self._complete(writer, f"it goes on in another folder, as part {self._part}")
            writer = None
        if writer is None:
            self._look_for_room()
        elif time.monotonic() >= self._room_due:
            self._room_due = time.monotonic() + ROOM_S
            if self._others + writer.size > self._limits.total:
                self._look_for_room()
            else:
                self._expect_reserve()
        if writer is None:
            writer = self._begin()
        writer.frame(frame)
        self.state = replace(self.state, seconds=writer.duration_s, size=writer.size)

    def _is_full(self, writer: FolderWriter) -> bool:
        # Two parts fit into the room for all, so that the older can make way for the newer.
        most = min(self._limits.split, self._limits.total // 2)
        return writer.duration_s >= self._limits.split_s or writer.size >= most

    def _begin(self) -> FolderWriter:
        folder = self._archive.new(self._heading.robot)
        told = {"robot": self._heading.robot, "part": self._part}
        self._writer = FolderWriter(folder, self._heading.rate, self.title, told, self._bag)
        self.state = replace(self.state, folder=folder)
        self._tell("info", f"recording into {folder}")
        return self._writer

    def _complete(self, writer: FolderWriter, why: str) -> None:
        writer.finish(why)
        self._writer = None
        self._tell("info", f"recorded {writer.duration_s:.0f} s into {writer.folder}: {why}")
        self.state = replace(self.state, folder=None, seconds=0.0, size=0)

    def _look_for_room(self) -> None:
        """Keep to the limits; raises OSError where there is no room left."""
        present = None if self._writer is None else self._writer.folder
        self._others, deleted = self._archive.make_room(self._limits.total, present)
        if deleted:
            self.state = replace(self.state, deleted=self.state.deleted + len(deleted))
            names = ", ".join(path.name for path in deleted)
            self._tell("info", f"deleted the oldest of {self._archive.folder}: {names}")
        self._expect_reserve()

    def _expect_reserve(self) -> None:
        free = self._archive.free()
        if free < self._limits.reserve:
            raise OSError(
                f"the disk of {self._archive.folder} has {free / MB:.0f} MB left, and "
                f"{self._limits.reserve / MB:.0f} MB are to stay free; make room, or lower "
                "record_reserve_mb"
            )

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:
            writer, self._writer = self._writer, None
            after = ""
            if writer is not None:
                after = f" after {writer.duration_s:.0f} s"
                with suppress(Exception):  # what can still be completed is
                    writer.finish(str(error))
            problem = f"the recording ended{after}: {error}"
            self.state = replace(self.state, folder=None, seconds=0.0, size=0, problem=problem)
            self._tell("error", f"{problem}; the conversation goes on")
