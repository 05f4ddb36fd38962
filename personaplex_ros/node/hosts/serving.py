"""What every host does with a service's handler and an action's check that fail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from personaplex_ros.node.hosts.bus import Check, LogLevel

Log = Callable[[LogLevel, str], None]
Handler = Callable[[Any, Any], Any]


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
            log("warn", f"{name}: rejected a goal: {error}")
            return False
        return True

    return accept
