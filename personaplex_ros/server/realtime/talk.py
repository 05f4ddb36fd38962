"""A client of `/v1/realtime`, from its request to its last event."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

from aiohttp import web

from personaplex_ros.engine import Sampling
from personaplex_ros.server.allowance import Allowance
from personaplex_ros.server.line import Line, first
from personaplex_ros.server.realtime.dialogue import BURST_S, Dialogue
from personaplex_ros.server.realtime.events import Event, event, new_id
from personaplex_ros.server.realtime.heard import Samples, decoded
from personaplex_ros.server.realtime.invalid import Invalid
from personaplex_ros.server.realtime.items import read_item
from personaplex_ros.server.realtime.settings import mapping
from personaplex_ros.server.refusal import Cause, Refusal
from personaplex_ros.server.sessions import Sessions

SUBPROTOCOL = "realtime"
"""That pages offer, which can send no headers."""
EVENT_BYTES = 4 << 20
"""Of one event of a client: half a minute of sound and more."""


class Talks:
    """Serves `/v1/realtime` for these sessions; `sampling` is for all of them."""

    def __init__(self, sessions: Sessions, sampling: Sampling) -> None:
        self._sessions = sessions
        self._sampling = sampling

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """Hold a conversation with the client of a request."""
        limits = self._sessions.limits
        line = await Line.open(request, limits, EVENT_BYTES, (SUBPROTOCOL,))
        try:
            await _Talk(self._sessions, self._sampling, line).hold()
        except ConnectionError:
            pass  # the client is gone
        except Refusal as refusal:
            self._sessions.refused(refusal)
            error = json.dumps(error_of(refusal.words, refusal.cause.value))
            await line.hang_up(refusal, line.socket.send_str(error))
        return line.socket


class _Talk:
    """The events of one client: each is done in its turn."""

    def __init__(self, sessions: Sessions, sampling: Sampling, line: Line) -> None:
        self._longest_prompt = sessions.limits.prompt_characters
        self._line = line
        self._rate = sessions.model.rate
        self._id = new_id("sess")
        self._dialogue = Dialogue(sessions, sampling, self._send)
        self._seconds = Allowance(1.0, BURST_S)
        self._uncommitted = False
        self._text: str | None = None  # that the robot is to say when a response is asked for

    async def hold(self) -> None:
        """Lead the conversation to its end; raises Refusal."""
        await self._send([self._session("session.created")])
        idle = asyncio.ensure_future(self._line.idle())
        tasks = [asyncio.ensure_future(self._read()), idle, self._dialogue.ended]
        try:
            await first(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._dialogue.close("the connection ended")

    async def _read(self) -> None:
        """Do what events ask for until the client hangs up; raises Refusal for what ends it."""
        async for message in self._line.messages():
            await self._take(message.data)

    async def _take(self, message: str | bytes) -> None:
        """Do what an event asks for; what cannot be done is answered with an error."""
        name: str | None = None
        try:
            content = _parsed(message)
            given = content.get("event_id")
            name = given if isinstance(given, str) else None
            await self._do(content)
        except Invalid as invalid:
            await self._send([error_of(invalid.words, invalid.code, invalid.param, name)])
        except Refusal as refusal:
            if refusal.cause is not Cause.BAD:
                raise
            await self._send([error_of(refusal.words, refusal.cause.value, "", name)])

    async def _do(self, content: Mapping[str, Any]) -> None:
        kind = content.get("type")
        if kind == "session.update":
            await self._update(content)
        elif kind == "input_audio_buffer.append":
            self._hear(decoded(content.get("audio"), "audio"), "audio")
        elif kind == "input_audio_buffer.commit":
            await self._commit()
        elif kind == "input_audio_buffer.clear":
            self._dialogue.clear()
            self._nothing_waits()
            await self._send([event("input_audio_buffer.cleared")])
        elif kind == "conversation.item.create":
            await self._item(content)
        elif kind == "conversation.item.truncate":
            await self._truncate(content)
        elif kind == "response.create":
            await self._respond(content)
        elif kind == "response.cancel":
            await self._dialogue.cancel()
        else:
            raise Invalid(
                f"{str(kind)[:80]!r} is no event that this server knows", "type", "unsupported"
            )

    async def _update(self, content: Mapping[str, Any]) -> None:
        session = content.get("session")
        settings = self._dialogue.settings.updated(session, self._longest_prompt)
        if await self._dialogue.set(settings):
            self._nothing_waits()
        await self._send([self._session("session.updated")])

    def _nothing_waits(self) -> None:
        """Note that what came and was not heard is forgotten."""
        self._uncommitted = False
        self._seconds.fill()

    def _hear(self, samples: Samples, param: str) -> None:
        if not self._seconds.take(len(samples) / self._rate):
            raise Invalid(
                f"audio is {BURST_S:g} s ahead of time, this was not heard; send it at the pace "
                "it is spoken",
                param,
                "input_audio_buffer_full",
            )
        self._line.heard()
        self._uncommitted = self._uncommitted or len(samples) > 0
        self._dialogue.hear(samples)

    async def _commit(self) -> None:
        if not self._uncommitted:
            raise Invalid(
                "no audio has come since the last commit", code="input_audio_buffer_commit_empty"
            )
        self._uncommitted = False
        await self._dialogue.commit()

    async def _item(self, content: Mapping[str, Any]) -> None:
        """Take what is to be heard or, from the assistant, to be said."""
        item = read_item(content.get("item"))
        for number, sound in enumerate(item.sounds):
            self._hear(sound, f"item.content[{number}].audio")
        if item.sounds:
            self._uncommitted = False
            await self._dialogue.commit(item.id)
        else:
            self._text = item.words
            await self._dialogue.created(item)

    async def _truncate(self, content: Mapping[str, Any]) -> None:
        item, end = content.get("item_id"), content.get("audio_end_ms")
        if not isinstance(item, str) or not isinstance(end, int):
            raise Invalid("item_id and audio_end_ms are needed", "item_id")
        await self._send(
            [event("conversation.item.truncated", item_id=item, content_index=0, audio_end_ms=end)]
        )

    async def _respond(self, content: Mapping[str, Any]) -> None:
        wanted = mapping(content.get("response"), "response")
        for key in ("instructions", "input", "tools"):
            if wanted.get(key):
                raise Invalid(
                    "a response cannot be asked for in words; the robot answers what it hears",
                    f"response.{key}",
                    "unsupported",
                )
        words, self._text = self._text, None
        if words is not None:
            await self._dialogue.say(words)

    async def _send(self, events: Iterable[Event]) -> None:
        for one in events:
            await self._line.socket.send_str(json.dumps(one))

    def _session(self, kind: str) -> Event:
        return event(kind, session=self._dialogue.settings.described(self._id))


def error_of(words: str, code: str, param: str = "", event_id: str | None = None) -> Event:
    """Return an error in the protocol's form."""
    kind = "server_error" if code == Cause.FAILED.value else "invalid_request_error"
    about = {"type": kind, "code": code, "message": words, "param": param or None}
    return event("error", error=about | {"event_id": event_id})


def _parsed(message: str | bytes) -> Mapping[str, Any]:
    try:
        content = json.loads(message, parse_float=_finite, parse_constant=_finite)
    except (ValueError, RecursionError) as error:
        raise Invalid(f"this is no JSON: {error}", code="invalid_json") from error
    if not isinstance(content, dict):
        raise Invalid("an event is an object with a type", code="invalid_json")
    return content


def _finite(number: str) -> float:
    """Return a number of an event; raises ValueError for one that JSON could not say back."""
    if not math.isfinite(value := float(number)):
        raise ValueError(f"{number} is no number")
    return value
