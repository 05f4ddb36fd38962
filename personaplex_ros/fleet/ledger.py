"""What all replicas told last, so that one that is gone is missed, and its conversations known."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field

ALIVE_S = 3.0
"""Since its last word, after which a replica counts as gone."""
REMEMBERED_S = 120.0
"""For which the conversations of one that is gone are known, in seconds since its last word."""
MOST_SAID = 400
"""Characters of what a robot said that are kept of a conversation: the last ones."""


@dataclass(frozen=True)
class Remembered:
    """A conversation: under which lease it was begun, and what the robot said last."""

    lease: str
    said: str


@dataclass(frozen=True)
class Report:
    """What a replica tells: its name and address (http://...), and how it is.

    obstacle: why it would begin no conversation now; empty if it would. conversations: by the key
    with which a client comes back.
    """

    replica: str
    address: str
    sessions: int
    slots: int
    obstacle: str = ""
    conversations: dict[str, Remembered] = field(default_factory=dict)


@dataclass(frozen=True)
class Found:
    """A conversation by its key: where it is held, or was; and what the robot said last."""

    address: str
    said: str


class Ledger:
    """Keeps the last report of each replica; a deployment of its own, which no replica takes along.

    It holds nothing that is not told anew within a second, so it may be lost at any time; only
    what replicas said that are gone is lost with it.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._reports: dict[str, tuple[float, Report]] = {}

    async def tell(self, report: Report) -> None:
        """Take a report."""
        now = self._now()
        self._reports[report.replica] = (now, report)
        for replica, (told_s, _) in list(self._reports.items()):
            if now - told_s > REMEMBERED_S:
                del self._reports[replica]

    async def replicas(self) -> list[Report]:
        """Return the reports of those that are there."""
        since = self._now() - ALIVE_S
        return [report for told_s, report in self._reports.values() if told_s >= since]

    async def find(self, key: str) -> Found | None:
        """Return a conversation that is held, or was by a replica that is gone."""
        for told_s, report in self._reports.values():
            known = report.conversations.get(key)
            if known is not None and self._now() - told_s <= REMEMBERED_S:
                return Found(report.address, known.said)
        return None

    async def key_of(self, lease: str) -> str | None:
        """Return the key of the last conversation that was begun under a lease."""
        reports = [report for _, report in self._reports.values()]
        for report in reports:
            for key, known in reversed(report.conversations.items()):
                if known.lease == lease:
                    return key
        return None


def last_words(said: str) -> str:
    """Return the end of what was said that is to be remembered: whole sentences, or words."""
    said = said.strip()
    if len(said) <= MOST_SAID:
        return said
    end = said[-MOST_SAID:]
    sentence = re.search(r"[.!?] (?=\S)", end)
    return end[sentence.end() :] if sentence else end.partition(" ")[2]
