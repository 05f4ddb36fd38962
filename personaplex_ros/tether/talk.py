"""One connection: from the upgrade to a WebSocket to its end."""

from __future__ import annotations

import asyncio
import json
import struct
import time

import aiohttp
from aiohttp import WSMsgType

from personaplex_ros.tether.delay import DelayMeter
from personaplex_ros.tether.jitter import JitterBuffer
from personaplex_ros.tether.problems import LinkProblem, closed, problem_of, words_of
from personaplex_ros.tether.uplink import Uplink
from personaplex_ros.wire.kinds import Kind
from personaplex_ros.wire.opus import NotOpus, OpusReader, OpusWriter

READY_S = 60.0
"""For a server to make a persona ready; NVIDIA's takes a step of the model for every word."""
PING_S, PINGS = 0.5, 4
"""Between two pings, at most; so many are to be answered while nothing is lost yet."""
SILENT_S = 5.0
"""Without any speech, silence being speech, though frames were sent: its model stands still."""
FAREWELL_S = 1.0
"""For a server that has said what is wrong to hang up."""
MOST_UNANSWERED = 12
"""Frames that are sent while nothing comes: more would only wait on the line."""
STAMP = struct.Struct("<d")
LONGEST_KEY = 200  # characters


class Talk:
    """Sends what is heard and takes what comes, until the connection ends or is no good any more.

    `ready` is set when the persona is; `anew` tells by then whether the server has begun another
    conversation than the one that was asked for. key: by which the server would know the
    conversation again; empty where it would not.
    """

    def __init__(
        self,
        rate: int,
        lost_after_s: float,
        uplink: Uplink,
        jitter: JitterBuffer,
        delay: DelayMeter,
        key: str,
    ) -> None:
        self._rate, self._lost_after_s = rate, lost_after_s
        self._uplink, self._jitter, self._delay = uplink, jitter, delay
        self._reader = OpusReader(rate)
        self._begun_s = self._heard_s = time.monotonic()
        self._unanswered = 0
        self._unanswered_since_s: float | None = None
        self._said, self._said_s = "", 0.0
        self._foreign = 0
        self.ready = asyncio.Event()
        self.anew = False
        self.key = key
        self.round_trip_s: float | None = None
        self._shortest_s = 0.0  # of all round trips

    @property
    def damaged(self) -> int:
        """Packets and messages that could not be read."""
        return self._reader.damaged + self._foreign

    @property
    def still_s(self) -> float:
        """For how long nothing has come, or no speech although it was asked for; any thread."""
        now, since_s = time.monotonic(), self._unanswered_since_s
        return max(now - self._heard_s, 0.0 if since_s is None else now - since_s)

    async def hold(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Talk until something is wrong; always raises, LinkProblem where it is known what."""
        reading = asyncio.ensure_future(self._read(socket))
        works = (self._send(socket), self._watch(socket))
        others = [asyncio.ensure_future(work) for work in works]
        try:
            await asyncio.wait([reading, *others], return_when=asyncio.FIRST_COMPLETED)
            for task in others:
                if task.done() and isinstance(task.exception(), ConnectionError):
                    await asyncio.wait([reading], timeout=FAREWELL_S)  # it knows why
            for task in (reading, *others):
                if task.done():
                    task.result()
        except (ConnectionError, OSError) as error:
            raise LinkProblem(f"the connection broke: {error or type(error).__name__}") from error
        finally:
            for task in (reading, *others):
                task.cancel()
            await asyncio.gather(reading, *others, return_exceptions=True)

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        while True:
            message = await socket.receive()
            self._heard_s = time.monotonic()
            if message.type is WSMsgType.BINARY:
                self._take(message.data)
            elif message.type is WSMsgType.PING:
                await socket.pong(message.data)
            elif message.type is WSMsgType.PONG:
                self._measure(message.data)
            elif message.type is WSMsgType.TEXT:
                self._foreign += 1
            elif message.type is WSMsgType.ERROR:
                raise problem_of(socket.exception() or LinkProblem("the connection broke"))
            else:
                raise closed(socket.close_code, self._said or str(message.extra or ""))

    def _take(self, message: bytes) -> None:
        kind, payload = message[:1], message[1:]
        if kind == bytes([Kind.HANDSHAKE]) and not self.ready.is_set():
            self._uplink.clear()
            self._jitter.begin()
            self._delay.begin()
            self.ready.set()
        elif kind == bytes([Kind.AUDIO]) and self.ready.is_set():
            self._hear(payload)
        elif kind == bytes([Kind.TEXT]) and self.ready.is_set():
            self._jitter.add(payload.decode(errors="replace"))
        elif kind == bytes([Kind.METADATA]):
            self._note(payload)
        elif kind == bytes([Kind.ERROR]):
            self._said, self._said_s = words_of(payload), time.monotonic()

    def _hear(self, pages: bytes) -> None:
        try:
            samples = self._reader.read(pages)
        except NotOpus as error:
            raise LinkProblem(f"what it sends as speech is no Ogg-Opus: {error}") from error
        if len(samples):
            self._unanswered, self._unanswered_since_s = 0, None
            self._jitter.write(samples)
            self._delay.came(len(samples), time.monotonic(), self._shortest_s)

    def _note(self, payload: bytes) -> None:
        """Read what the server tells of itself; of it only which conversation it is matters."""
        try:
            content = json.loads(payload)
        except (ValueError, RecursionError):
            self._foreign += 1
            return
        if not isinstance(content, dict):
            return
        self.anew = self.anew or content.get("type") == "begun_anew"
        key = content.get("resume")
        if isinstance(key, str) and key.isprintable() and len(key) <= LONGEST_KEY:
            self.key = key

    def _measure(self, stamp: bytes) -> None:
        if len(stamp) == STAMP.size:
            self.round_trip_s = taken_s = time.monotonic() - STAMP.unpack(stamp)[0]
            self._shortest_s = min(self._shortest_s or taken_s, taken_s)

    async def _send(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        await self.ready.wait()
        writer = OpusWriter(self._rate)
        while True:
            await self._uplink.arrived()
            for frame in self._uplink.take():
                if self._unanswered >= MOST_UNANSWERED:
                    self._uplink.drop(frame)
                    continue
                pages = writer.write(frame.samples)
                self._delay.sent(len(frame.samples), frame.whole_s)
                if self._unanswered_since_s is None:
                    self._unanswered_since_s = time.monotonic()
                self._unanswered += 1
                await socket.send_bytes(bytes([Kind.AUDIO]) + pages)

    async def _watch(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        while True:
            await socket.ping(STAMP.pack(time.monotonic()))
            wait_s = min(PING_S, self._lost_after_s / PINGS)
            due_s = time.monotonic() + wait_s
            await asyncio.sleep(wait_s)
            now, since_s = time.monotonic(), self._unanswered_since_s
            if now - due_s > wait_s:  # it was this process that stood still, not the line
                continue
            if self._said and now - self._said_s > FAREWELL_S:
                raise LinkProblem(f"the server says: {self._said}")
            if not self.ready.is_set():
                if now - self._begun_s > READY_S:
                    raise LinkProblem(f"the persona was not ready within {READY_S:g} s")
            elif now - self._heard_s > self._lost_after_s:
                raise LinkProblem(f"nothing has come from it for {self._lost_after_s:g} s")
            elif since_s is not None and now - since_s > max(SILENT_S, self._lost_after_s):
                raise LinkProblem("it answers pings, but no speech comes: its model stands still")
