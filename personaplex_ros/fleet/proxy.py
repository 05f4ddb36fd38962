"""What is put before Ray Serve's proxy, in its own process, so that it passes on how clients go.

Speech that is sent when a client has just hung up raises in the proxy, which then drops the request
and, often, the code with which the client hung up: whether it comes back would not be known.
"""

from __future__ import annotations

from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Farewells:
    """Drops what is sent to a client that is gone."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request or a connection."""

        async def send_while_there(message: Message) -> None:
            try:
                await send(message)
            except OSError:  # that of the proxy's server
                pass

        talks = scope["type"] == "websocket"
        await self._app(scope, receive, send_while_there if talks else send)


def middlewares() -> list[Middleware]:
    """Return it, as Ray Serve wants it."""
    return [Middleware(Farewells)]
