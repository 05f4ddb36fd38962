"""One thread that hands samples to callbacks and runs timers, whatever the samples come by."""

from __future__ import annotations

import threading
import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

from personaplex_ros.node.bare.codec import Unreadable
from personaplex_ros.node.hosts.bus import LogLevel

_LONGEST_WAIT_NS = 1_000_000_000
_LARGEST_BATCH = 16

Log = Callable[[LogLevel, str], None]
Threads = Literal["services", "slow", "actions"]
"""Which thread answers a service: that of all, one of its own, or that of actions' services."""


@dataclass(eq=False)
class Source(ABC):
    """Where samples come from and go to; ``lock`` keeps it from being deleted in use."""

    name: str
    deliver: Callable[[Any], None]
    lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    closed: bool = field(default=False, init=False)
    refused: int = field(default=0, init=False)

    @abstractmethod
    def take(self) -> Any:
        """Return the next sample, None if there is none; the lock is held."""


S = TypeVar("S", bound=Source)


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


class Executor(ABC, Generic[S]):
    """Waits for data and time in one thread; what a callback raises is logged.

    A middleware's own says how it waits. Its constructor ends with :meth:`start`.
    """

    def __init__(self, log: Log) -> None:
        self._log = log
        self._lock = threading.Lock()
        self._sources: list[S] = []
        self._timers: list[PeriodicTimer] = []
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="executor", daemon=True)

    @abstractmethod
    def wait(self, longest_ns: int) -> None:
        """Return when a source has a sample, when woken, or after a time."""

    @abstractmethod
    def wake(self) -> None:
        """Let `wait` return, also if it has not begun yet."""

    def attach(self, source: S) -> None:
        """Let `wait` wait for a source, too; the executor's lock is held."""

    def detach(self, source: S) -> None:
        """Let it do so no more; the locks of executor and source are held."""

    def free(self) -> None:
        """Free what waiting takes; the thread has ended."""

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def add(self, source: S) -> S:
        """Hand every sample of a source to its ``deliver``."""
        with self._lock:
            self._sources.append(source)
            self.attach(source)
        self.wake()
        return source

    def remove(self, source: S) -> None:
        """Take nothing more from a source, which may be deleted after this."""
        with source.lock:
            if source.closed:
                return
            source.closed = True
            with self._lock:
                self._sources.remove(source)
                self.detach(source)

    def every(self, period_s: float, callback: Callable[[], None]) -> PeriodicTimer:
        """Start a timer whose first call comes after one period."""
        period_ns = round(period_s * 1e9)
        if period_ns <= 0:
            raise ValueError(f"a timer's period must be positive, not {period_s} s")
        timer = PeriodicTimer(period_ns, time.monotonic_ns() + period_ns, callback)
        with self._lock:
            self._timers.append(timer)
        self.wake()
        return timer

    def close(self) -> None:
        """Stop the thread; a callback that has begun is waited for, unless it is the caller."""
        self._stopping = True
        self.wake()
        if threading.current_thread() is not self._thread:
            self._thread.join()
        for source in list(self._sources):
            self.remove(source)
        self.free()

    def _run(self) -> None:
        while not self._stopping:
            self.wait(self._time_to_next_timer())
            with self._lock:
                sources = list(self._sources)
            for source in sources:
                self._drain(source)
            self._run_timers()

    def _drain(self, source: S) -> None:
        # A bounded batch: one busy topic must not keep the others and the timers waiting.
        for _ in range(_LARGEST_BATCH):
            try:
                with source.lock:
                    sample = None if source.closed else source.take()
                if sample is None:
                    return
                source.deliver(sample)
            except Unreadable as error:
                self._refuse(source, error)
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

    def _refuse(self, source: S, error: Unreadable) -> None:
        """Tell of what a peer has sent, in ever rarer lines: it may send it for ever."""
        source.refused += 1
        if source.refused & (source.refused - 1) == 0:  # 1, 2, 4, 8, ...
            self._log("warn", f"{source.name}: passed over {source.refused} of others: {error}")

    def _report(self, name: str) -> None:
        self._log("error", f"callback of {name} failed: {traceback.format_exc().rstrip()}")


AnyExecutor = TypeVar("AnyExecutor", bound="Executor[Any]")


class Executors(Generic[AnyExecutor]):
    """A node's threads: one for topics and timers, one for services, one for actions' services.

    A slow service has another one for itself, and delays none of them.
    """

    def __init__(self, make: Callable[[], AnyExecutor]) -> None:
        self._make = make
        self.topics, self.services, self.actions = make(), make(), make()
        self._all = [self.topics, self.services, self.actions]

    def of(self, threads: Threads) -> AnyExecutor:
        """Return that of a service; a slow one's ends with the others."""
        if threads != "slow":
            return self.services if threads == "services" else self.actions
        self._all.append(self._make())
        return self._all[-1]

    def close(self) -> None:
        """Stop all threads."""
        for executor in self._all:
            executor.close()
