"""A small server of the Moshi protocol that answers with what it heard, and can go wrong."""

# ruff: noqa: D102

from __future__ import annotations

import asyncio
import ssl
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import sphn
from aiohttp import WSMsgType, web

RATE, FRAME = 24_000, 1_920


@dataclass
class Faults:
    """What is wrong with the server; changed by tests while it runs."""

    refuse: str = ""  # an error in words instead of a handshake
    status: int = 0  # HTTP in place of an upgrade
    never_ready: bool = False
    deaf: bool = False  # reads and pings, but says nothing
    frozen: bool = False  # not even that
    before_handshake: tuple[bytes, ...] = ()
    after_handshake: tuple[bytes, ...] = ()
    delays_s: Callable[[int], float] = lambda frame: 0.0  # of the answer to a frame
    keeps: bool = False  # conversations, whose key it tells


@dataclass
class Visit:
    """One connection: its query, header and what was heard over it."""

    query: dict[str, str]
    token: str
    heard: list[np.ndarray] = field(default_factory=list)
    close_code: int | None = None

    @property
    def frames(self) -> int:
        return sum(map(len, self.heard)) // FRAME


class MoshiServer:
    """Echoes frames as speech, with a word for every fifth frame that sounds."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.faults = Faults()
        self.visits: list[Visit] = []
        self.port = 0
        self._tls = tls
        self._loop = asyncio.new_event_loop()
        self._sockets: set[web.WebSocketResponse] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._runner: web.AppRunner | None = None
        self.start()

    @property
    def address(self) -> str:
        return f"ws{'s' if self._tls else ''}://127.0.0.1:{self.port}/api/chat"

    def run(self, work: Awaitable[None]) -> None:
        async def task() -> None:
            await work

        asyncio.run_coroutine_threadsafe(task(), self._loop).result(10)

    def hung_up(self, visit: Visit) -> int | None:
        """Return with which code a client hung up; waits for it."""
        deadline = time.monotonic() + 5.0
        while visit.close_code is None and time.monotonic() < deadline:
            time.sleep(0.01)
        return visit.close_code

    def start(self) -> None:
        self.run(self._start())

    def stop(self) -> None:
        """Break all connections without a word, and listen no more."""
        self.run(self._stop())

    def cut(self) -> None:
        """Break all connections without a word."""
        self.run(self._cut())

    def close(self) -> None:
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    async def _start(self) -> None:
        app = web.Application()
        app.router.add_get("/api/chat", self._chat)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(
            self._runner, "127.0.0.1", self.port, reuse_address=True, ssl_context=self._tls
        )
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def _stop(self) -> None:
        await self._cut()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _cut(self) -> None:
        for socket in list(self._sockets):
            transport = socket._req.transport if socket._req is not None else None
            if transport is not None:
                transport.abort()

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        faults = self.faults
        visit = Visit(dict(request.query), request.headers.get("Authorization", ""))
        self.visits.append(visit)
        if faults.status:
            return web.Response(status=faults.status)
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(request)
        self._sockets.add(socket)
        try:
            await self._hold(socket, visit)
        except ConnectionError:
            pass
        finally:
            self._sockets.discard(socket)
            visit.close_code = socket.close_code
        return socket

    async def _hold(self, socket: web.WebSocketResponse, visit: Visit) -> None:
        faults = self.faults
        for message in faults.before_handshake:
            await socket.send_bytes(message)
        if faults.refuse:
            await socket.send_bytes(b"\x05" + faults.refuse.encode())
            await socket.close(code=1008, message=faults.refuse.encode()[:100])
            return
        if not faults.never_ready:
            await socket.send_bytes(b"\x00")
            if faults.keeps:
                await socket.send_bytes(b'\x04{"type": "session", "resume": "key", "resume_s": 20}')
            for message in faults.after_handshake:
                await socket.send_bytes(message)
        reader, writer = sphn.OpusStreamReader(RATE), sphn.OpusStreamWriter(RATE)
        rest = np.zeros(0, np.float32)
        tasks: list[asyncio.Future[None]] = []
        async for message in socket:
            if faults.frozen:
                continue
            if message.type is WSMsgType.PING:
                await socket.pong(message.data)
            if message.type is not WSMsgType.BINARY or message.data[:1] != b"\x01":
                continue
            samples = reader.append_bytes(message.data[1:])
            visit.heard.append(samples)
            rest = np.concatenate([rest, samples])
            while len(rest) >= FRAME:
                frame, rest = rest[:FRAME], rest[FRAME:]
                if not faults.deaf:
                    pages = bytes(writer.append_pcm(frame))
                    tasks.append(self._answered(socket, visit.frames, frame, pages, tasks[-1:]))

    def _answered(
        self,
        socket: web.WebSocketResponse,
        number: int,
        frame: np.ndarray,
        pages: bytes,
        before: list[asyncio.Future[None]],
    ) -> asyncio.Future[None]:
        text = f" word{number}" if number % 5 == 4 and np.abs(frame).max() > 0.01 else ""
        delay_s = self.faults.delays_s(number)
        return asyncio.ensure_future(self._answer(socket, text, pages, delay_s, before))

    async def _answer(
        self,
        socket: web.WebSocketResponse,
        text: str,
        pages: bytes,
        delay_s: float,
        before: list[asyncio.Future[None]],
    ) -> None:
        await asyncio.sleep(delay_s)
        if before:  # TCP keeps the order
            await asyncio.wait(before)
        if not socket.closed:
            if text:
                await socket.send_bytes(b"\x02" + text.encode())
            await socket.send_bytes(b"\x01" + pages)


@contextmanager
def moshi_server(tls: ssl.SSLContext | None = None) -> Iterator[MoshiServer]:
    server = MoshiServer(tls)
    try:
        yield server
    finally:
        server.close()
