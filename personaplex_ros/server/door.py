"""Who may come in: tokens, the pages of which origins, and how many connections."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Awaitable, Callable, Sequence
from urllib.parse import urlsplit

from aiohttp import web

from personaplex_ros.server.metrics import Metrics

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

ANY_ORIGIN = "*"
TOKEN_PROTOCOL = "openai-insecure-api-key."
"""As which OpenAI's client for browsers offers its token, since pages can send no headers."""
TURNED_AWAY = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nRetry-After: 5\r\n"
    b"Content-Length: 52\r\nConnection: close\r\n\r\n"
    b"this server has no room for one more connection now\n"
)


class Door:
    """Lets requests through that carry a token, where there are any, and come from no other page.

    Browsers tell the page that asks (`Origin`); one of another host than the server's could speak
    in its user's name, so it must be named in `origins`, as in ``https://robots.example``, or be
    any for ``*``. Other clients name none.
    """

    def __init__(self, tokens: Sequence[str], origins: Sequence[str], metrics: Metrics) -> None:
        self._tokens = [_digest(token) for token in tokens]
        self._origins = {origin.rstrip("/").lower() for origin in origins}
        self._metrics = metrics

    def guarded(self, handler: Handler) -> Handler:
        """Return a handler for those who may come in; others get 401 or 403, with words."""

        async def guard(request: web.Request) -> web.StreamResponse:
            if not self._known_origin(request):
                self._metrics.turned_away("origin")
                raise web.HTTPForbidden(
                    text=f"pages of {request.headers['Origin'][:100]} may not speak with this "
                    "server; start it with --allow-origin for them\n"
                )
            if self._tokens and not self._knows(_token(request)):
                self._metrics.turned_away("token")
                raise web.HTTPUnauthorized(
                    headers={"WWW-Authenticate": "Bearer"},
                    text="a token is needed: the header `Authorization: Bearer TOKEN`, or "
                    "`token=TOKEN` in the query\n",
                )
            return await handler(request)

        return guard

    def _known_origin(self, request: web.Request) -> bool:
        origin = request.headers.get("Origin", "").lower()
        if not origin or self._origins & {origin, ANY_ORIGIN}:
            return True
        return urlsplit(origin).netloc == request.headers.get("Host", "").lower()

    def _knows(self, token: str) -> bool:
        given = _digest(token)
        return any([hmac.compare_digest(given, known) for known in self._tokens])


class TurnedAway(asyncio.Protocol):
    """Says that there is no room, and hangs up."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Answer without reading."""
        assert isinstance(transport, asyncio.Transport)
        transport.write(TURNED_AWAY)
        transport.close()


def _token(request: web.Request) -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    for offered in request.headers.get("Sec-WebSocket-Protocol", "").split(","):
        if offered.strip().startswith(TOKEN_PROTOCOL):
            return offered.strip().removeprefix(TOKEN_PROTOCOL)
    return request.query.get("token", "")


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
