"""A fleet in this process: real doors and replicas, and what stands for Ray Serve."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

from aiohttp import WSMessage, WSMsgType
from server_support import HOST, Caller

from personaplex_ros.engine import Engine, Sampling
from personaplex_ros.fleet.gate import Gate
from personaplex_ros.fleet.ledger import Ledger
from personaplex_ros.fleet.replica import Replica, Work
from personaplex_ros.fleet.replicas import Replicas
from personaplex_ros.server.door import Door
from personaplex_ros.server.metrics import Metrics
from personaplex_ros.server.model import Model

SECRET = "between door and replica"
SAMPLING = Sampling(greedy=True)


class Full(Exception):
    """Stands for Ray Serve's error that too many wait."""


class Stream:
    """What a call returns that yields."""

    def __init__(self, handle: Handle, said: str) -> None:
        self._items = handle.items(said)

    def __aiter__(self) -> Stream:
        return self

    async def __anext__(self) -> Any:
        return await anext(self._items)

    def cancel(self) -> None:
        """End the call."""


class Handle:
    """Hands leases out as Ray Serve does: of the replica that has given the fewest, and room."""

    def __init__(self) -> None:
        self.replicas: dict[Replica, int] = {}
        self.lease = SimpleNamespace(remote=lambda said: Stream(self, said))

    def options(self, **_: object) -> Handle:
        """Return itself: it yields always."""
        return self

    async def items(self, said: str) -> AsyncIterator[Any]:
        """Wait for room, and yield what the replica does."""
        while True:
            free = [r for r, leases in self.replicas.items() if leases < r.sessions.model.slots]
            if free:
                break
            await asyncio.sleep(0.02)
        replica = min(free, key=lambda r: (self.replicas[r], random.random()))
        self.replicas[replica] += 1
        try:
            async for item in replica.lease(said):
                yield item
        finally:
            if replica in self.replicas:
                self.replicas[replica] -= 1


class Remote:
    """Lets an object's methods be called as those of a deployment."""

    def __init__(self, target: Any) -> None:
        self._target = target

    def __getattr__(self, name: str) -> Any:
        return SimpleNamespace(remote=getattr(self._target, name))


class FleetHere:
    """Two replicas of two sessions each, and a door; for one event loop."""

    def __init__(self, wait_s: float, tokens: tuple[str, ...] = ()) -> None:
        self.handle = Handle()
        self.ledger = Ledger()
        replicas = Replicas(self.handle, Remote(self.ledger), SECRET, wait_s, Full)
        self.known = replicas
        self.gate = Gate(replicas, Door(tokens, (), Metrics()))
        self.prompts: list[str] = []
        """That the models were given."""

    async def start(self, engines: dict[str, Engine]) -> None:
        """Begin a replica for each engine, of its name."""
        for name, engine in engines.items():
            work = Work(lambda engine=engine: self._model(engine), SAMPLING, SECRET, False)
            replica = Replica(work, Remote(self.ledger), name, "127.0.0.1")
            await replica.start()
            self.handle.replicas[replica] = 0

    def _model(self, engine: Engine) -> Model:
        model = Model(engine, 2, HOST, 1.0)
        prepare = model.prepare

        def noted(persona: Any) -> Any:
            self.prompts.append(persona.text_prompt)
            return prepare(persona)

        model.prepare = noted  # type: ignore[method-assign]
        return model

    def named(self, name: str) -> Replica:
        """Return a replica."""
        return next(replica for replica in self.handle.replicas if replica.name == name)

    def busy(self) -> Replica:
        """Return the first replica that holds a conversation."""
        return next(r for r in self.handle.replicas if r.sessions.open)

    async def kill(self, replica: Replica) -> None:
        """Let a replica vanish, as one does whose process is killed: it tells nobody."""
        del self.handle.replicas[replica]
        assert replica._telling is not None
        replica._telling.cancel()
        listener = replica._listener
        assert listener._server is not None and listener._runner.server is not None
        listener._server.close()
        for connection in listener._runner.server.connections:
            if connection.transport is not None:
                connection.transport.abort()
        await replica.close()

    async def close(self) -> None:
        """End all."""
        for replica in self.handle.replicas:
            await replica.close()
        await self.known.close()

    async def get(self, path: str, **headers: str) -> tuple[int, str]:
        """Return status and body of what the door answers."""
        sent: list[dict[str, Any]] = []
        path, _, query = path.partition("?")
        scope = {"type": "http", "method": "GET", "path": path, "query_string": query.encode(),
                 "headers": [(k.encode(), v.encode()) for k, v in headers.items()]}  # fmt: skip

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await self.gate(scope, asyncio.Queue[Any]().get, send)
        return sent[0]["status"], sent[1]["body"].decode()

    @contextlib.asynccontextmanager
    async def socket(self, path: str, query: str = "", **headers: str) -> AsyncIterator[AsgiSocket]:
        """Connect to the door; breaks off at the end where nobody hung up."""
        scope = {"type": "websocket", "path": path, "query_string": query.encode(),
                 "headers": [(k.encode(), v.encode()) for k, v in headers.items()],
                 "subprotocols": [], "extensions": {"websocket.http.response": {}}}  # fmt: skip
        socket = AsgiSocket()
        serving = asyncio.ensure_future(self.gate(scope, socket.up.get, socket.take))
        try:
            yield socket
        finally:
            await socket.close(code=1006)
            await asyncio.wait_for(serving, 10)

    @contextlib.asynccontextmanager
    async def caller(self, query: str = "") -> AsyncIterator[Caller]:
        """Call over Moshi's protocol."""
        async with self.socket("/api/chat", query) as socket:
            yield Caller(socket)  # type: ignore[arg-type]


class AsgiSocket:
    """The client's side of a WebSocket of ASGI, called like aiohttp's."""

    def __init__(self) -> None:
        self.up: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.up.put_nowait({"type": "websocket.connect"})
        self._down: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.close_code: int | None = None
        self.denied: list[dict[str, Any]] = []
        self._closed = False

    async def take(self, message: dict[str, Any]) -> None:
        """Take what the door sends."""
        if message["type"].startswith("websocket.http"):
            self.denied.append(message)
        elif message["type"] != "websocket.accept":
            self._down.put_nowait(message)

    async def send_bytes(self, data: bytes) -> None:
        """Send a message."""
        self.up.put_nowait({"type": "websocket.receive", "bytes": data})

    async def send_str(self, data: str) -> None:
        """Send a message of text."""
        self.up.put_nowait({"type": "websocket.receive", "text": data})

    async def close(self, code: int) -> None:
        """Hang up, once."""
        if not self._closed:
            self.up.put_nowait({"type": "websocket.disconnect", "code": code})
            self._closed = True

    async def receive(self, timeout: float) -> WSMessage:
        """Return the next message."""
        message = await asyncio.wait_for(self._down.get(), timeout)
        if message["type"] == "websocket.close":
            self.close_code = message["code"]
            return WSMessage(WSMsgType.CLOSED, None, None)  # type: ignore[call-arg]
        content = message.get("bytes")
        if content is None:
            return WSMessage(WSMsgType.TEXT, message["text"], None)  # type: ignore[call-arg]
        return WSMessage(WSMsgType.BINARY, content, None)  # type: ignore[call-arg]
