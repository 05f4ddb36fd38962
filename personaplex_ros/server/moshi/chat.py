"""A client of `/api/chat`, from its request to its last message."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

from aiohttp import WSMsgType, web

from personaplex_ros.engine import Sampling
from personaplex_ros.server.conversation.conversation import Conversation
from personaplex_ros.server.conversation.outputs import Ended, Output, Speech, Words
from personaplex_ros.server.line import Line, first
from personaplex_ros.server.moshi import protocol
from personaplex_ros.server.moshi.opus import OpusCodec, Pages
from personaplex_ros.server.moshi.query import Query, read_query
from personaplex_ros.server.refusal import Cause, Refusal
from personaplex_ros.server.sessions import Sessions
from personaplex_ros.turns import TurnEvent
from personaplex_ros.wire.kinds import Kind
from personaplex_ros.wire.ogg import Packet
from personaplex_ros.wire.opus import OpusPages

PROTOCOL = "moshi"
PROPER_CODES = (1000, 1001)
"""With which a client hangs up that does not want to come back."""


class Chats:
    """Serves `/api/chat` for these sessions; `sampling` is for clients that name none."""

    def __init__(self, sessions: Sessions, sampling: Sampling) -> None:
        self._sessions = sessions
        self._sampling = sampling

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """Hold a conversation with the client of a request."""
        limits = self._sessions.limits
        line = await Line.open(request, limits, limits.message_bytes)
        chat = _Chat(self._sessions, line)
        try:
            default = self._sessions.model.default
            query = read_query(request.query, default, self._sampling, limits)
            await chat.hold(query)
        except Refusal as refusal:
            self._sessions.refused(refusal)
            await line.hang_up(refusal, line.socket.send_bytes(protocol.error(refusal)))
        return line.socket


class _Chat:
    """The conversation with one client, over one connection."""

    def __init__(self, sessions: Sessions, line: Line) -> None:
        self._sessions = sessions
        self._limits = sessions.limits
        self._line = line
        self._socket = line.socket
        self._head: Packet | None = None  # of what the client sends, until somebody hears it
        self._conversation: Conversation | None = None
        self._displaced = False

    async def hold(self, query: Query) -> None:
        """Begin or take up a conversation and lead it to its end; raises Refusal."""
        reading = asyncio.ensure_future(self._read())
        opening = asyncio.ensure_future(self._opened(query))
        tasks: list[asyncio.Future[Any]] = [reading, opening]
        try:
            await first(reading, opening)
            if opening.done():
                conversation = opening.result()
                if self._head is not None:
                    _hear(conversation, self._head)
                self._conversation = conversation
                displaced = self._sessions.displaced(conversation)
                self._line.heard()
                sending = _started(self._send(conversation, query))
                tasks += [displaced, sending, _started(self._line.idle())]
                await first(reading, *tasks[2:])
                if displaced.done():
                    self._displaced = True
                    words = "another client has taken this conversation up"
                    raise Refusal(Cause.GONE, words)
        except ConnectionError:
            pass  # the client is gone, which is looked after below
        except Refusal as refusal:
            await self._end(refusal.words)
            raise
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._leave(opening)

    async def _opened(self, query: Query) -> Conversation:
        if query.resume is not None:
            return self._sessions.take_up(query.resume)
        codec = OpusCodec(self._sessions.model.rate, self._limits)
        return await self._sessions.begin(
            query.wish, PROTOCOL, codec=codec, resumable=query.resumable
        )

    async def _leave(self, opening: asyncio.Future[Conversation]) -> None:
        """Do what is to be done about the conversation when the client is gone."""
        if opening.done() and not opening.cancelled() and opening.exception() is None:
            self._conversation = opening.result()
        if self._conversation is None or self._displaced:
            return
        if self._socket.close_code in PROPER_CODES:
            await self._end("the client hung up")
        else:
            await self._sessions.lost(self._conversation)

    async def _end(self, why: str) -> None:
        if self._conversation is not None and not self._displaced:
            await self._sessions.end(self._conversation, why)

    async def _read(self) -> None:
        """Take messages until the client hangs up; raises Refusal for what ends a conversation."""
        pages = Pages()
        async for message in self._line.messages():
            data = message.data
            if message.type != WSMsgType.BINARY or data[:1] != bytes([Kind.AUDIO]):
                continue  # what servers of this protocol do not know, they drop
            for packet in pages.packets(data[1:]):
                self._line.heard()
                if self._conversation is not None:
                    _hear(self._conversation, packet)
                elif packet.first:  # of the rest nobody hears
                    self._head = packet

    async def _send(self, conversation: Conversation, query: Query) -> None:
        """Send what comes of a conversation until it is over; then raises Refusal."""
        assert conversation.codec is not None
        pages = OpusPages(conversation.codec.head)
        await self._socket.send_bytes(protocol.HANDSHAKE)
        await self._socket.send_bytes(protocol.metadata(self._described(conversation, query)))
        while True:
            for output in await conversation.outbox.take():
                if isinstance(output, Ended):
                    raise output.refusal
                message = _message(output, pages)
                if isinstance(output, Speech):
                    self._sessions.metrics.ready(time.monotonic() - output.possible_s)
                if message is not None:
                    await self._socket.send_bytes(message)

    def _described(self, conversation: Conversation, query: Query) -> dict[str, object]:
        about: dict[str, object] = {"type": "session", "resumed": query.resume is not None}
        if query.resume is None:
            wish = query.wish
            about |= {"persona": wish.persona.name, "voice": wish.persona.voice, "seed": wish.seed}
        if query.resumable:
            about |= {"resume": conversation.key, "resume_s": self._limits.resume_s}
        return about


def _started(work: Coroutine[Any, Any, None]) -> asyncio.Future[None]:
    return asyncio.ensure_future(work)


def _hear(conversation: Conversation, packet: Packet) -> None:
    conversation.inbox.put_coded(packet, len(packet.content))


def _message(output: Output, pages: OpusPages) -> bytes | None:
    """Return an output as a message; None where it is not complete yet."""
    if isinstance(output, Speech):
        page = pages.page(output.packets)
        return protocol.audio(page) if page else None
    if isinstance(output, Words):
        return protocol.text(output)
    if isinstance(output, TurnEvent):
        return protocol.turn_event(output)
    assert not isinstance(output, Ended)
    return protocol.utterance(output)
