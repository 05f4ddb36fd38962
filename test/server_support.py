"""A server in this process or in one of its own, and clients of its protocol for tests."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import aiohttp
import numpy as np
import sphn
from dds_support import wait_until

from personaplex_ros.engine import Engine, Persona, Sampling, StepResult, StepTiming
from personaplex_ros.server.app import make_app
from personaplex_ros.server.door import Door
from personaplex_ros.server.limits import Limits
from personaplex_ros.server.metrics import Metrics
from personaplex_ros.server.model import Model
from personaplex_ros.server.running import Listener, Place
from personaplex_ros.server.sessions import Sessions

T = TypeVar("T")

RATE = 24_000
FRAME = 1920
HANDSHAKE, AUDIO, TEXT, CONTROL, METADATA, ERROR, PING = range(7)
HOST = Persona("host", "You work for a hotel by the lake and your name is Ann.")


class ServerInThread(AbstractContextManager["ServerInThread"]):
    """Serves `engine` from a thread of its own, as `personaplex serve` does in its process."""

    def __init__(
        self,
        engine: Engine,
        slots: int,
        *,
        limits: Limits | None = None,
        tokens: tuple[str, ...] = (),
        origins: tuple[str, ...] = (),
        tls: Any = None,
        share: float = 1.0,
        log_words: bool = False,
    ) -> None:
        self._log_words = log_words
        self.limits = limits or Limits()
        self._place = Place("127.0.0.1", 0, tls)
        self.metrics = Metrics()
        self.model = Model(engine, slots, HOST, share)
        self._door = Door(tokens, origins, self.metrics)
        self.port = 0
        self._opened = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def host(self) -> str:
        """Address and port."""
        return f"127.0.0.1:{self.port}"

    def url(self, **query: object) -> str:
        """Return the address of `/api/chat` with a query."""
        asked = str(aiohttp.client.URL("").with_query({k: str(v) for k, v in query.items()}))
        return f"ws://{self.host}/api/chat{asked}"

    def empty(self) -> ServerInThread:
        """Wait until nobody talks any more."""
        wait_until(lambda: self.sessions.open == 0, 10.0)
        return self

    def in_loop(self, work: Coroutine[Any, Any, T]) -> T:
        """Run something in the server's loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    def count(self, name: str) -> float:
        """Return the sum of a metric over its labels."""
        lines = self.metrics.exposed().decode().splitlines()
        found = [line for line in lines if line.partition("{")[0].partition(" ")[0] == name]
        return sum(float(line.rpartition(" ")[2]) for line in found)

    def __enter__(self) -> ServerInThread:
        self._thread.start()
        assert self._opened.wait(20)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._ending.set)
        self._thread.join(20)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        self._ending = asyncio.Event()
        self.sessions = Sessions(self.model, self.limits, self.metrics, self._log_words)
        app = make_app(self.sessions, self._door, Sampling(greedy=True))
        listener = Listener(app, self.limits, self.metrics)
        self.port = await listener.open(self._place)
        self._opened.set()
        await self._ending.wait()
        await listener.close()
        await self.sessions.close()


@dataclass
class Heard:
    """What a client got from the server."""

    kinds: list[int] = field(default_factory=list)
    samples: list[np.ndarray] = field(default_factory=list)
    text: str = ""
    metadata: list[dict[str, Any]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    close_code: int | None = None

    @property
    def seconds(self) -> float:
        """How much speech came."""
        return sum(map(len, self.samples)) / RATE


class Caller:
    """One client of `/api/chat`, written from the protocol's description."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.heard = Heard()
        self._writer = sphn.OpusStreamWriter(RATE)
        self._reader = sphn.OpusStreamReader(RATE)

    async def speak(self, samples: np.ndarray) -> None:
        """Send samples at once."""
        for begin in range(0, len(samples), FRAME):
            pages = self._writer.append_pcm(samples[begin : begin + FRAME].astype(np.float32))
            await self.socket.send_bytes(bytes([AUDIO]) + pages)

    async def call(self, samples: np.ndarray) -> None:
        """Send samples as fast as they are spoken."""
        due_s = time.monotonic()
        for begin in range(0, len(samples), FRAME):
            await self.speak(samples[begin : begin + FRAME])
            due_s += FRAME / RATE
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))

    async def listen(self, until: Callable[[Heard], bool], limit_s: float = 20.0) -> Heard:
        """Take messages until that is so, or the server hangs up."""
        heard, until_s = self.heard, time.monotonic() + limit_s
        while not until(heard):
            assert time.monotonic() < until_s, heard
            try:
                message = await self.socket.receive(timeout=1.0)
            except asyncio.TimeoutError:
                continue
            if message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED,
                                aiohttp.WSMsgType.CLOSING, aiohttp.WSMsgType.ERROR):  # fmt: skip
                heard.close_code = self.socket.close_code
                break
            self._take(message.data)
        return heard

    def _take(self, message: bytes) -> None:
        kind, content, heard = message[0], message[1:], self.heard
        heard.kinds.append(kind)
        if kind == AUDIO:
            samples = self._reader.append_bytes(content)
            heard.samples += [samples] if len(samples) else []
        elif kind == TEXT:
            heard.text += content.decode()
        elif kind == METADATA:
            heard.metadata.append(json.loads(content))
        elif kind == ERROR:
            heard.errors.append(content.decode())


def always(audio: np.ndarray, piece: str) -> Callable[[dict[Any, Any]], dict[Any, Any]]:
    """Return a step of an engine that says the same in every frame, without any work."""
    timing = StepTiming(0.0, 0.0, 0.0, 0.0, 0.0)
    silent = "" if piece else "PAD"
    said = StepResult(0, audio.astype(np.float32), 9, piece, silent, np.zeros(8, np.int64), timing)
    return lambda frames: dict.fromkeys(frames, said)


def calling(url: str, work: Callable[[Caller], Coroutine[Any, Any, T]], **options: Any) -> T:
    """Connect to a server and do that as a client; returns what it returns."""

    async def connected() -> T:
        async with aiohttp.ClientSession() as session:
            async with session.ws_connect(url, **options) as socket:
                return await work(Caller(socket))

    return asyncio.run(connected())


def spoken(seconds: float) -> Callable[[Heard], bool]:
    """Return whether so much speech has come."""
    return lambda heard: heard.seconds >= seconds


def never(heard: Heard) -> bool:
    """Wait until the server hangs up."""
    return False


@contextmanager
def serving(*words: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run `personaplex serve`; gives where it listens; it must have been asked to end."""
    command = [sys.executable, "-m", "personaplex_ros", "serve", "--port", "0", "--greedy"]
    child = subprocess.Popen([*command, *words], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    try:
        line = child.stdout.readline()
        assert line.startswith("listening at "), line
        yield line.split()[2].removesuffix("/api/chat,"), child
        assert child.wait(20) == 0
    finally:
        child.kill()
