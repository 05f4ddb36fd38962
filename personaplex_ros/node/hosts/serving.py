"""What every host does with a service's handler and an action's check that fail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from personaplex_ros.node.hosts.bus import Check, LogLevel

Log = Callable[[LogLevel, str], None]
Handler = Callable[[Any, Any], Any]
LONGEST_LINE = 500
"""Characters of what a peer may have written that go into the log."""


def one_line(text: str) -> str:
    """Return a text that may quote a peer so that it cannot pass for other lines of the log."""
    if len(text) > LONGEST_LINE:
        text = f"{text[:LONGEST_LINE]}..."
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def answering(handler: Handler, name: str, log: Log) -> Handler:
    """Return a handler that answers also when `handler` fails: with the response as it is."""

    def answer(request: Any, response: Any) -> Any:
        try:
            return handler(request, response)
        except Exception as error:
            log("error", f"the service {name} failed: {error!r}")
            return response

    return answer


def accepting(check: Check, name: str, log: Log) -> Callable[[Any], bool]:
    """Return whether a goal passes `check`, as a function that logs why one does not."""

    def accept(request: Any) -> bool:
        try:
            check(request)
        except Exception as error:
            log("warn", f"{name}: rejected a goal: {one_line(str(error))}")
            return False
        return True

    return accept
