"""Who may come in: tokens, the pages of which origins, and how many connections."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Objection:
    """Why a request may not come in, as HTTP says it."""

    status: int
    words: str
    headers: dict[str, str]


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
            objection = self.objection(request.headers, request.query)
            if objection is None:
                return await handler(request)
            refused = web.HTTPForbidden if objection.status == 403 else web.HTTPUnauthorized
            raise refused(text=objection.words, headers=objection.headers)

        return guard

    def objection(self, headers: Mapping[str, str], query: Mapping[str, str]) -> Objection | None:
        """Return why a request may not come in; names of headers are in lower case, or in any."""
        if not self._known_origin(headers):
            self._metrics.turned_away("origin")
            words = (
                f"pages of {headers['origin'][:100]} may not speak with this server; start it with "
                "--allow-origin for them\n"
            )
            return Objection(403, words, {})
        if self._tokens and not self._knows(_token(headers, query)):
            self._metrics.turned_away("token")
            words = (
                "a token is needed: the header `Authorization: Bearer TOKEN`, or `token=TOKEN` in "
                "the query\n"
            )
            return Objection(401, words, {"WWW-Authenticate": "Bearer"})
        return None

    def _known_origin(self, headers: Mapping[str, str]) -> bool:
        origin = headers.get("origin", "").lower()
        if not origin or self._origins & {origin, ANY_ORIGIN}:
            return True
        return urlsplit(origin).netloc == headers.get("host", "").lower()

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


def _token(headers: Mapping[str, str], query: Mapping[str, str]) -> str:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    for offered in headers.get("sec-websocket-protocol", "").split(","):
        if offered.strip().startswith(TOKEN_PROTOCOL):
            return offered.strip().removeprefix(TOKEN_PROTOCOL)
    return query.get("token", "")


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
