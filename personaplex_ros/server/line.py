"""The WebSocket of a client, whichever protocol it speaks: opened, read within limits, closed."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Sequence
from typing import Any

from aiohttp import WSMessage, WSMsgType, web

from personaplex_ros.server.allowance import Allowance
from personaplex_ros.server.limits import Limits
from personaplex_ros.server.refusal import Cause, Refusal

CLOSE_S = 2.0
"""For a client to answer that it is hung up on."""
UNSENT_BYTES = 8 << 10
"""Of what is sent, that may wait here for the network, and as much in the kernel, which would take
half a minute of speech; then speech waits in the outbox."""
LOOK_S = 1.0
"""How often it is seen whether a client still sends audio."""
LONGEST_REASON = 123
"""Bytes of a reason that a WebSocket may be closed with."""
CLOSE_CODES = {
    Cause.BAD: 1008,
    Cause.FULL: 1013,
    Cause.ENDING: 1012,
    Cause.FAILED: 1011,
    Cause.GONE: 1008,
    Cause.IDLE: 1001,
}
"""With which a WebSocket is closed, as IANA lists them; after 1012 and 1013, try again later."""


class Line:
    """An open WebSocket. `heard` is to be called whenever audio has come."""

    def __init__(self, socket: web.WebSocketResponse, limits: Limits) -> None:
        self.socket = socket
        self._limits = limits
        self._heard_s = time.monotonic()

    @staticmethod
    async def open(
        request: web.Request,
        limits: Limits,
        message_bytes: int,
        protocols: Sequence[str] = (),
    ) -> Line:
        """Answer a request with a WebSocket of these subprotocols; raises HTTP 426 for another."""
        response = web.WebSocketResponse(
            timeout=CLOSE_S,
            heartbeat=limits.alive_s,
            max_msg_size=message_bytes,
            protocols=protocols,
            compress=False,
            writer_limit=UNSENT_BYTES,
        )
        if not response.can_prepare(request):
            raise web.HTTPUpgradeRequired(text=f"this is for WebSockets: ws://...{request.path}\n")
        await response.prepare(request)
        if request.transport is not None:
            request.transport.set_write_buffer_limits(high=UNSENT_BYTES)
            if (connection := request.transport.get_extra_info("socket")) is not None:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
        return Line(response, limits)

    async def messages(self) -> AsyncIterator[WSMessage]:
        """Yield what comes until the client hangs up; raises Refusal for too much of it."""
        allowance = Allowance(self._limits.messages_a_second, self._limits.messages_a_second)
        async for message in self.socket:
            if not allowance.take(1.0):
                most = self._limits.messages_a_second
                raise Refusal(Cause.BAD, f"more than {most} messages a second; send fewer, longer")
            if message.type == WSMsgType.ERROR:
                raise Refusal(Cause.BAD, f"a message is broken or too long: {message.data}")
            yield message

    def heard(self) -> None:
        """Note that there was audio."""
        self._heard_s = time.monotonic()

    async def idle(self) -> None:
        """Raise Refusal when the client has sent no audio for too long."""
        while time.monotonic() - self._heard_s < self._limits.idle_s:
            await asyncio.sleep(LOOK_S)
        words = f"no audio has come for {self._limits.idle_s:g} s; send silence while nobody speaks"
        raise Refusal(Cause.IDLE, words)

    async def hang_up(self, refusal: Refusal, told: Awaitable[None]) -> None:
        """Tell the client why in its protocol, and close."""
        try:
            await told
        except ConnectionError:
            return
        reason = refusal.words.encode()[:LONGEST_REASON].decode(errors="ignore").encode()
        await self.socket.close(code=CLOSE_CODES[refusal.cause], message=reason)


async def first(*tasks: asyncio.Future[Any]) -> None:
    """Wait until one is done; raises what it raises."""
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()
