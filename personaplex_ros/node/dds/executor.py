"""One thread that hands samples to callbacks and runs timers."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cyclonedds.core import (
    GuardCondition,
    InstanceState,
    ReadCondition,
    SampleState,
    ViewState,
    WaitSet,
)
from cyclonedds.domain import DomainParticipant
from cyclonedds.internal import InvalidSample
from cyclonedds.sub import DataReader
from cyclonedds.util import duration

from personaplex_ros.node.dds.participant import delete
from personaplex_ros.node.hosts.bus import LogLevel

ANY_NEW = SampleState.NotRead | ViewState.Any | InstanceState.Any
_LONGEST_WAIT_NS = 1_000_000_000
_LARGEST_BATCH = 16


@dataclass(eq=False)
class Source:
    """A reader and where its samples go; ``lock`` keeps it from being deleted in use."""

    reader: DataReader
    condition: ReadCondition
    deliver: Callable[[Any], None]
    name: str
    lock: threading.Lock = field(default_factory=threading.Lock)
    closed: bool = False


@dataclass(eq=False)
class PeriodicTimer:
    """A callback at a fixed rate on the executor's thread; missed periods are left out."""

    period_ns: int
    due_ns: int
    callback: Callable[[], None]
    closed: bool = False

    def close(self) -> None:
        """Stop the timer; a callback that has begun still ends."""
        self.closed = True


class Executor:
    """Waits for data and time in one thread; what a callback raises is logged."""

    def __init__(
        self, participant: DomainParticipant, log: Callable[[LogLevel, str], None]
    ) -> None:
        self._log = log
        self._lock = threading.Lock()
        self._sources: list[Source] = []
        self._timers: list[PeriodicTimer] = []
        self._stopping = False
        self._waitset = WaitSet(participant)
        self._wake = GuardCondition(participant)
        self._waitset.attach(self._wake)
        self._thread = threading.Thread(target=self._run, name="dds-executor", daemon=True)
        self._thread.start()

    def add(self, name: str, reader: DataReader, deliver: Callable[[Any], None]) -> Source:
        """Call ``deliver(sample)`` for every valid sample of the reader."""
        source = Source(reader, ReadCondition(reader, ANY_NEW), deliver, name)
        with self._lock:
            self._sources.append(source)
            self._waitset.attach(source.condition)
        self._wake.set(True)
        return source

    def remove(self, source: Source) -> None:
        """Take nothing more from the reader, which may be deleted after this."""
        with source.lock:
            if source.closed:
                return
            source.closed = True
            with self._lock:
                self._sources.remove(source)
                self._waitset.detach(source.condition)
            delete(source.condition)

    def every(self, period_s: float, callback: Callable[[], None]) -> PeriodicTimer:
        """Start a timer whose first call comes after one period."""
        period_ns = round(period_s * 1e9)
        if period_ns <= 0:
            raise ValueError(f"a timer's period must be positive, not {period_s} s")
        timer = PeriodicTimer(period_ns, time.monotonic_ns() + period_ns, callback)
        with self._lock:
            self._timers.append(timer)
        self._wake.set(True)
        return timer

    def close(self) -> None:
        """Stop the thread; a callback that has begun is waited for, unless it is the caller."""
        self._stopping = True
        self._wake.set(True)
        if threading.current_thread() is not self._thread:
            self._thread.join()
        for source in list(self._sources):
            self.remove(source)
        self._waitset.detach(self._wake)
        delete(self._waitset)
        delete(self._wake)

    def _run(self) -> None:
        while not self._stopping:
            self._waitset.wait(duration(nanoseconds=self._time_to_next_timer()))
            self._wake.take()
            with self._lock:
                sources = list(self._sources)
            for source in sources:
                self._drain(source)
            self._run_timers()

    def _drain(self, source: Source) -> None:
        # A bounded batch: one busy topic must not keep the others and the timers waiting.
        for _ in range(_LARGEST_BATCH):
            try:
                with source.lock:
                    if source.closed:
                        return
                    samples = source.reader.take(N=1)
                if not samples:
                    return
                if not isinstance(samples[0], InvalidSample):
                    source.deliver(samples[0])
            except Exception:
                self._report(source.name)
            if self._stopping:
                return

    def _run_timers(self) -> None:
        with self._lock:
            self._timers = [timer for timer in self._timers if not timer.closed]
            timers = list(self._timers)
        for timer in timers:
            now = time.monotonic_ns()
            if timer.closed or self._stopping or now < timer.due_ns:
                continue
            timer.due_ns += ((now - timer.due_ns) // timer.period_ns + 1) * timer.period_ns
            try:
                timer.callback()
            except Exception:
                self._report("timer")

    def _time_to_next_timer(self) -> int:
        with self._lock:
            due = [timer.due_ns for timer in self._timers if not timer.closed]
        now = time.monotonic_ns()
        return max(0, min([*due, now + _LONGEST_WAIT_NS]) - now)

    def _report(self, name: str) -> None:
        self._log("error", f"callback of {name} failed: {traceback.format_exc().rstrip()}")
