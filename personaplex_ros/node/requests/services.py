"""The services ~/reset, ~/set_persona and ~/record."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from personaplex_ros.node.hosts.bus import Bus
from personaplex_ros.node.hosts.serving import one_line
from personaplex_ros.remedies import with_remedy


class Services:
    """Answers with success and a message; an error never reaches the middleware."""

    def __init__(
        self,
        bus: Bus,
        *,
        reset: Callable[[], str],
        set_persona: Callable[[str, str, str], str],
        record: Callable[[bool], str],
    ) -> None:
        """Offer all; the functions return a message for success and raise otherwise.

        `set_persona` gets (persona, text_prompt, voice), each empty for "as it is"; `record`
        whether the conversation may be recorded.
        """
        self._bus = bus
        self._reset = reset
        self._set_persona = set_persona
        self._record = record
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
        return self._answer(response, "~/reset", self._reset)

    def _on_set_persona(self, request: Any, response: Any) -> Any:
        return self._answer(
            response,
            "~/set_persona",
            lambda: self._set_persona(request.persona, request.text_prompt, request.voice),
        )

    def _on_record(self, request: Any, response: Any) -> Any:
        return self._answer(response, "~/record", lambda: self._record(request.data))

    def _answer(self, response: Any, name: str, action: Callable[[], str]) -> Any:
        try:
            response.message = action()
            response.success = True
        except Exception as error:
            response.success = False
            response.message = with_remedy(error) or type(error).__name__
            self._bus.log("warn", f"{name} failed: {one_line(response.message)}")
        return response
