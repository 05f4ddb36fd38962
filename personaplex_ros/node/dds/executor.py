"""An executor that waits for DDS readers."""

from __future__ import annotations

from collections.abc import Callable
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

from personaplex_ros.node.bare.executor import Executor, Log, Source
from personaplex_ros.node.dds.participant import delete

ANY_NEW = SampleState.NotRead | ViewState.Any | InstanceState.Any


class DdsSource(Source):
    """A reader and where its samples go."""

    def __init__(self, name: str, reader: DataReader, deliver: Callable[[Any], None]) -> None:
        super().__init__(name, deliver)
        self.reader = reader
        self.condition = ReadCondition(reader, ANY_NEW)

    def take(self) -> Any:
        """Return the next valid sample."""
        while samples := self.reader.take(N=1):
            if not isinstance(samples[0], InvalidSample):
                return samples[0]
        return None


class DdsExecutor(Executor[DdsSource]):
    """Waits in a wait set of the participant's."""

    def __init__(self, participant: DomainParticipant, log: Log) -> None:
        super().__init__(log)
        self._waitset = WaitSet(participant)
        self._wake = GuardCondition(participant)
        self._waitset.attach(self._wake)
        self.start()

    def read(self, name: str, reader: DataReader, deliver: Callable[[Any], None]) -> DdsSource:
        """Call ``deliver(sample)`` for every valid sample of a reader."""
        return self.add(DdsSource(name, reader, deliver))

    def wait(self, longest_ns: int) -> None:
        """Wait for the wait set."""
        self._waitset.wait(duration(nanoseconds=longest_ns))
        self._wake.take()

    def wake(self) -> None:
        """Trigger the wait set's guard condition."""
        self._wake.set(True)

    def attach(self, source: DdsSource) -> None:
        """Let the wait set see the reader."""
        self._waitset.attach(source.condition)

    def detach(self, source: DdsSource) -> None:
        """Take the reader out of the wait set."""
        self._waitset.detach(source.condition)
        delete(source.condition)

    def free(self) -> None:
        """Delete the wait set."""
        self._waitset.detach(self._wake)
        delete(self._waitset)
        delete(self._wake)
