"""A client's WebSocket, led through a door to the replica that holds its conversation."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import WSMsgType

from personaplex_ros.fleet import farewell
from personaplex_ros.fleet.farewell import CHAT, Sent
from personaplex_ros.fleet.replicas import Replicas, Socket, Unreachable
from personaplex_ros.server.moshi.chat import PROPER_CODES
from personaplex_ros.server.moshi.query import NEW
from personaplex_ros.server.refusal import Cause, Refusal

Receive = Callable[[], Awaitable[Sent]]
Send = Callable[[Sent], Awaitable[None]]

WAITING_BYTES = 8 << 20
"""Of a client, that may wait for its replica; two of the longest events."""
NOT_PROPER = 4000
"""With which a replica is told that a client's connection broke."""
ABNORMAL = 1006


class Passage:
    """Takes a client that has been accepted to a replica, and messages both ways until one ends."""

    def __init__(
        self,
        replicas: Replicas,
        path: str,
        query: dict[str, str],
        protocols: list[str],
        receive: Receive,
        send: Send,
    ) -> None:
        self._replicas = replicas
        self._path, self._query, self._protocols = path, query, protocols
        self._client = _Client(receive)
        self._send = send
        self._lease = ""
        self._remembers: str | None = None  # what the robot of a conversation begun anew knows

    async def hold(self) -> None:
        """Lead the conversation to its end; the client is told why, where it is not its own."""
        reading = asyncio.ensure_future(self._client.read())
        opening = asyncio.ensure_future(self._open())
        try:
            await asyncio.wait((reading, opening), return_when=asyncio.FIRST_COMPLETED)
            if opening.done():
                await self._talk(opening.result())
            else:
                reading.result()
        except Refusal as refusal:
            await self._send(farewell.told(self._path, refusal))
            await self._send(farewell.closed(refusal))
        finally:
            for task in (reading, opening):
                task.cancel()
            await asyncio.gather(reading, opening, return_exceptions=True)
            if not opening.cancelled() and opening.exception() is None:
                await opening.result().close()

    async def _open(self) -> Socket:
        """Return the connection to the replica of this conversation; raises Refusal."""
        key = self._query.get("resume", NEW)
        if key == NEW:
            return await self._begin(None)
        found = await self._replicas.find(key)
        if found is None:
            raise Refusal(Cause.GONE, "this conversation is over; begin a new one")
        if self._path == CHAT:  # the other protocol has no way to go on
            try:
                return await self._replicas.connect(
                    found.address, self._path, self._query, self._protocols
                )
            except Unreachable:
                pass
        self._query["resume"] = NEW
        return await self._begin(found.said)

    async def _begin(self, said: str | None) -> Socket:
        socket, granted = await self._replicas.leased(
            said, self._path, self._query, self._protocols
        )
        self._lease = granted.lease
        if said is not None:
            self._remembers = said if granted.takes_memory else ""
        return socket

    async def _talk(self, socket: Socket) -> None:
        """Pass messages both ways; raises Refusal where the replica is gone, or too much comes."""
        up = asyncio.ensure_future(self._up(socket))
        down = asyncio.ensure_future(self._down(socket))
        try:
            await asyncio.wait((up, down), return_when=asyncio.FIRST_COMPLETED)
            if not down.done():
                code = up.result()
                await socket.close(code=code if code in PROPER_CODES else NOT_PROPER)
                return
            code, reason = down.result()
            if code == ABNORMAL:
                raise farewell.replica_lost(await self._replicas.key_of(self._lease))
            await self._send({"type": "websocket.close", "code": code, "reason": reason})
        finally:
            up.cancel()
            down.cancel()
            await asyncio.gather(up, down, return_exceptions=True)

    async def _up(self, socket: Socket) -> int:
        """Pass on what the client sends until it is gone; return its code."""
        while True:
            message = await self._client.next()
            if isinstance(message, int):
                return message
            try:
                if isinstance(message, bytes):
                    await socket.send_bytes(message)
                else:
                    await socket.send_str(message)
            except ConnectionError:
                await asyncio.Event().wait()  # what the replica said last is still to be passed on

    async def _down(self, socket: Socket) -> tuple[int, str]:
        """Pass on what the replica sends until it hangs up; return code and reason."""
        if self._path == CHAT:  # else the first event has to be the session's
            await self._tell_what_is_known()
        while True:
            message = await socket.receive()
            if message.type is WSMsgType.BINARY:
                await self._send({"type": "websocket.send", "bytes": message.data})
            elif message.type is WSMsgType.TEXT:
                await self._send({"type": "websocket.send", "text": message.data})
            elif message.type is WSMsgType.CLOSE:
                return int(message.data or ABNORMAL), message.extra or ""
            else:
                return socket.close_code or ABNORMAL, ""
            await self._tell_what_is_known()

    async def _tell_what_is_known(self) -> None:
        """Tell once that the conversation is a new one, where the client asked for another."""
        if self._remembers is not None:
            await self._send(farewell.begun_anew(self._path, self._remembers))
            self._remembers = None


class _Client:
    """What a client sends, in its order; the last is the code with which it hung up."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._waiting: asyncio.Queue[bytes | str | int | Refusal] = asyncio.Queue()
        self._bytes = 0

    async def read(self) -> None:
        """Take messages until the client is gone; raises Refusal for more than is kept."""
        while True:
            message = await self._receive()
            if message["type"] == "websocket.disconnect":
                self._waiting.put_nowait(int(message.get("code") or ABNORMAL))
                return
            content = message.get("bytes")
            content = message.get("text", "") if content is None else content
            self._bytes += len(content)
            if self._bytes > WAITING_BYTES:
                words = "more has come than is taken; send less, at the pace it is spoken"
                self._waiting.put_nowait(refusal := Refusal(Cause.BAD, words))
                raise refusal
            self._waiting.put_nowait(content)

    async def next(self) -> bytes | str | int:
        """Return the next message, or the code of the end; raises Refusal where that was it."""
        message = await self._waiting.get()
        if isinstance(message, Refusal):
            raise message
        if not isinstance(message, int):
            self._bytes -= len(message)
        return message
