"""The services ~/reset, ~/set_persona and ~/record."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from personaplex_ros.node.hosts.bus import Bus
from personaplex_ros.node.requests.answers import Handlers, answered


class Services:
    """Answers with success and a message; an error never reaches the middleware."""

    def __init__(self, bus: Bus, handlers: Handlers) -> None:
        """Offer all."""
        self._bus = bus
        self._handlers = handlers
        self._open = ExitStack()
        # They wait for the model or the disk, and hold up nothing that does not.
        for name, type_name, handler in (
            ("~/reset", "std_srvs/srv/Trigger", self._on_reset),
            ("~/set_persona", "personaplex_ros/srv/SetPersona", self._on_set_persona),
            ("~/record", "std_srvs/srv/SetBool", self._on_record),
        ):
            self._open.callback(bus.serve(name, type_name, handler, slow=True).close)

    def close(self) -> None:
        """Withdraw the services."""
        self._open.close()

    def _on_reset(self, request: Any, response: Any) -> Any:
        return self._answer(response, "~/reset", self._handlers.reset)

    def _on_set_persona(self, request: Any, response: Any) -> Any:
        wanted = (request.persona, request.text_prompt, request.voice)
        return self._answer(response, "~/set_persona", lambda: self._handlers.set_persona(*wanted))

    def _on_record(self, request: Any, response: Any) -> Any:
        return self._answer(response, "~/record", lambda: self._handlers.record(request.data))

    def _answer(self, response: Any, name: str, action: Callable[[], str]) -> Any:
        response.success, response.message = answered(self._bus, name, action)
        return response
