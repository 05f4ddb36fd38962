"""Events as the protocol has them, and what all of a session's have in common."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

from personaplex_ros.server.conversation.sent_time import SentTime

Event = dict[str, Any]


def new_id(kind: str) -> str:
    """Return a name that nothing else has, such as item_3f..."""
    return f"{kind}_{secrets.token_hex(10)}"


def event(kind: str, **content: object) -> Event:
    """Return an event of a kind, with a name of its own."""
    return {"type": kind, "event_id": new_id("event"), **content}


def message(item: str, role: str, status: str, content: list[Event]) -> Event:
    """Return an item that somebody says."""
    return {"object": "realtime.item", "type": "message", "id": item, "role": role,
            "status": status, "content": content}  # fmt: skip


class History:
    """The items and the time of a session, which may hold several conversations.

    last: the item that the next one comes behind.
    """

    def __init__(self) -> None:
        self.last: str | None = None
        self._before_ns = 0  # what the client sent to the conversations before this one
        self._sent: SentTime | None = None

    def ms(self, time_ns: int) -> int:
        """Return a time of this conversation as the session counts: by what the client has sent."""
        sent_ns = time_ns if self._sent is None else self._sent.of(time_ns)
        return (self._before_ns + sent_ns) // 1_000_000

    def begun(self, sent: SentTime) -> None:
        """Take how times of this conversation are to be told."""
        self._sent = sent

    def over(self, sent_ns: int) -> None:
        """Let another conversation begin, as so much was sent to this one."""
        self._before_ns += sent_ns
        self._sent = None

    def add(self, item: Event) -> Iterator[Event]:
        """Yield that there is one more item, which is whole."""
        before, self.last = self.last, item["id"]
        for kind in ("added", "done"):
            yield event(f"conversation.item.{kind}", previous_item_id=before, item=item)
