"""The server as a process: it listens until a signal ends it."""

from __future__ import annotations

import asyncio
import logging
import signal
import ssl
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from personaplex_ros.memory import keep_from_collector
from personaplex_ros.server import http_log
from personaplex_ros.server.door import TurnedAway
from personaplex_ros.server.limits import Limits
from personaplex_ros.server.metrics import Metrics
from personaplex_ros.server.sessions import Sessions

LOGGER = logging.getLogger("personaplex.server")
SWEEP_S = 1.0
SWITCH_S = 0.0005
"""For which a thread keeps Python's lock while others wait for it; by default it is 5 ms, which
speech would wait to be sent behind a thread that looks for turns."""


@dataclass(frozen=True)
class Place:
    """Where to listen; with TLS if there is a context. `port` 0 is any that is free."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None


def tls_context(certificate: Path, key: Path | None) -> ssl.SSLContext:
    """Return TLS with a certificate (PEM, its chain after it) and its key, if in another file.

    Raises ValueError naming the files when they cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        files = " and ".join(str(file) for file in (certificate, key) if file)
        raise ValueError(
            f"{files} cannot be used for TLS ({error}); give a certificate in PEM format and its "
            "private key, without a passphrase"
        ) from error
    return context


class Listener:
    """Accepts connections for an application, up to `limits.connections` of them.

    One that asks for nothing for `limits.request_s` is closed.
    """

    def __init__(self, app: web.Application, limits: Limits, metrics: Metrics) -> None:
        self._limits, self._metrics = limits, metrics
        self._runner = web.AppRunner(
            app,
            access_log=None,  # it would have tokens and prompts
            logger=http_log.LOGGER,
            max_line_size=limits.request_line_bytes,
            shutdown_timeout=1.0,
        )
        app.middlewares.append(self._noting)
        self._coming: set[RequestHandler] = set()  # accepted, but not open yet
        self._waiting: dict[RequestHandler, float] = {}  # since when, until its first request
        self._tls = False
        self._server: asyncio.Server | None = None
        self._sweeping: asyncio.Future[None] | None = None

    async def open(self, place: Place) -> int:
        """Listen; return the port. Raises OSError where that cannot be."""
        sys.setswitchinterval(SWITCH_S)
        await self._runner.setup()
        loop = asyncio.get_running_loop()
        self._tls = place.tls is not None
        patience_s = self._limits.request_s if self._tls else None
        self._server = await loop.create_server(
            self._protocol, place.host, place.port, ssl=place.tls,
            ssl_handshake_timeout=patience_s,
        )  # fmt: skip
        self._sweeping = asyncio.ensure_future(self._sweep())
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Stop listening and hang up on everybody."""
        if self._server is not None:
            self._server.close()
        if self._sweeping is not None:
            self._sweeping.cancel()
        await self._runner.cleanup()

    def _protocol(self) -> asyncio.Protocol:
        server = self._runner.server
        assert server is not None
        if len(self._coming.union(server.connections)) >= self._limits.connections:
            self._metrics.turned_away("connections")
            return TurnedAway()
        handler = server()
        self._coming.add(handler)
        loop = asyncio.get_running_loop()
        if self._tls:  # open when both sides have their keys
            loop.call_later(self._limits.request_s, self._coming.discard, handler)
        else:
            loop.call_soon(self._coming.discard, handler)
        self._waiting[handler] = time.monotonic()
        return handler

    @web.middleware
    async def _noting(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        self._waiting.pop(request.protocol, None)
        return await handler(request)

    async def _sweep(self) -> None:
        """Close what was opened and asks for nothing."""
        while True:
            await asyncio.sleep(SWEEP_S)
            server = self._runner.server
            there = set() if server is None else set(server.connections)
            self._metrics.connections.set(len(there))
            since = time.monotonic() - self._limits.request_s
            for handler, opened_s in list(self._waiting.items()):
                if handler not in there and opened_s < since:
                    del self._waiting[handler]
                elif opened_s < since:
                    del self._waiting[handler]
                    handler.force_close()
                    self._metrics.turned_away("no_request")


async def run(
    sessions: Sessions,
    listener: Listener,
    place: Place,
    patience_s: float,
    opened: Callable[[int], None],
) -> None:
    """Serve until SIGTERM or SIGINT comes; `opened` is told the port.

    SIGTERM lets conversations go on for `patience_s`, SIGINT does not; a second one ends all.
    """
    loop = asyncio.get_running_loop()
    ending: asyncio.Future[float] = loop.create_future()

    def end(patience: float) -> None:
        for number in patiences:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)  # of SIGINT, asyncio makes it an exception
        ending.set_result(patience)

    patiences = {signal.SIGINT: 0.0, signal.SIGTERM: patience_s}
    for number in list(patiences):
        if signal.getsignal(number) is signal.SIG_IGN:  # as of a job in the background
            del patiences[number]
        else:
            loop.add_signal_handler(number, end, patiences[number])
    keep_from_collector()
    try:
        opened(await listener.open(place))
        patience = await ending
        LOGGER.info("ending: %d conversations, %g s at most", sessions.open, patience)
        await sessions.drain(patience)
    finally:
        await listener.close()
        await sessions.close()
