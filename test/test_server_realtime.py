"""The Realtime protocol over the network, spoken by OpenAI's own client."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from openai import AsyncOpenAI
from openai.resources.realtime.realtime import AsyncRealtimeConnection
from server_support import HANDSHAKE, RATE, Caller, ServerInThread, calling

from personaplex_ros.engine import Engine
from personaplex_ros.server.limits import Limits

SECOND = base64.b64encode(bytes(2 * RATE)).decode()
NAN = (
    '{"type": "session.update", "session": {"audio": {"input": {"turn_detection": {"type": '
    '"server_vad", "threshold": NaN}}}}}'
)
Work = Callable[[AsyncRealtimeConnection], Coroutine[Any, Any, None]]


@pytest.fixture(scope="module")
def running(small_checkpoint: Path) -> Iterator[ServerInThread]:
    engine = Engine.load(small_checkpoint, device="cpu", slots=2)
    with ServerInThread(engine, 2, limits=Limits(idle_s=4.0), tokens=("secret",)) as server:
        yield server


@pytest.fixture
def server(running: ServerInThread) -> ServerInThread:
    return running.empty()


@asynccontextmanager
async def connected(
    server: ServerInThread, token: str = "secret"
) -> AsyncIterator[AsyncRealtimeConnection]:
    async with AsyncOpenAI(api_key=token, base_url=f"http://{server.host}/v1") as client:
        async with client.realtime.connect(model="personaplex") as connection:
            yield connection


def talk(server: ServerInThread, work: Work) -> None:
    async def go() -> None:
        async with connected(server) as connection:
            await work(connection)

    asyncio.run(asyncio.wait_for(go(), 30))


async def until(connection: AsyncRealtimeConnection, kind: str) -> Any:
    """Return the next event of a kind."""
    async for event in connection:
        if event.type == kind:
            return event
        assert event.type != "error", event
    raise AssertionError(f"the server hung up before {kind}")


async def asked(connection: AsyncRealtimeConnection, event: dict[str, Any]) -> Any:
    """Send an event; return the error that answers it."""
    await connection.send_raw(json.dumps(event))
    async for answer in connection:
        if answer.type == "error":
            return answer.error
    raise AssertionError("the server hung up")


def test_the_session_is_told_and_set(server: ServerInThread) -> None:
    async def work(connection: AsyncRealtimeConnection) -> None:
        session = (await until(connection, "session.created")).session
        assert session.instructions.startswith("You work for a hotel")
        assert session.audio.output.format.rate == RATE
        detection = {"type": "server_vad", "threshold": 0.6, "silence_duration_ms": 300}
        audio = {"input": {"turn_detection": detection}}
        await connection.session.update(
            session={"type": "realtime", "instructions": "You are Bob.", "audio": audio}  # type: ignore[typeddict-item]
        )
        session = (await until(connection, "session.updated")).session
        assert session.instructions == "You are Bob."
        assert session.audio.input.turn_detection.threshold == 0.6
        await connection.session.update(session={"type": "realtime"})
        assert (await until(connection, "session.updated")).session == session

    talk(server, work)


def test_sound_begins_a_conversation_and_another_persona_begins_it_anew(
    server: ServerInThread,
) -> None:
    async def work(connection: AsyncRealtimeConnection) -> None:
        assert server.sessions.open == 0
        for persona in ("You are Bob.", "You are Eve."):
            await connection.session.update(
                session={"type": "realtime", "instructions": persona}
            )  # fmt: skip
            await until(connection, "session.updated")
            begun = server.count("personaplex_sessions_begun_total")
            await connection.input_audio_buffer.append(audio=SECOND)
            await connection.input_audio_buffer.commit()
            item = await until(connection, "input_audio_buffer.committed")
            assert (await until(connection, "conversation.item.done")).item.id == item.item_id
            while server.count("personaplex_sessions_begun_total") == begun:
                await asyncio.sleep(0.05)
            assert server.sessions.open == 1
        await connection.input_audio_buffer.clear()
        await until(connection, "input_audio_buffer.cleared")

    talk(server, work)
    assert server.empty()


@pytest.mark.parametrize(
    ("event", "code", "param", "words"),
    [
        ({"type": "nonsense"}, "unsupported", "type", "'nonsense' is no event that"),
        ({"type": "input_audio_buffer.append", "audio": "?"}, "invalid_value", "audio", "base64"),
        ({"type": "input_audio_buffer.append", "audio": "AAAA"}, "invalid_value", "audio", "two"),
        ({"type": "input_audio_buffer.append", "audio": "\u00e9A=="}, "invalid_value", "audio",
         "base64"),
        ({"type": "input_audio_buffer.append"}, "invalid_value", "audio", "must be a text"),
        ({"type": "input_audio_buffer.commit"}, "input_audio_buffer_commit_empty", None, "no aud"),
        ({"type": "response.cancel"}, "response_cancel_not_active", None, "nothing is being said"),
        (
            {"type": "session.update", "session": {"tools": [{"type": "function"}]}},
            "unsupported", "session.tools", "calls no tools",
        ),
        (
            {"type": "session.update", "session": {"output_modalities": ["text"]}},
            "unsupported", "session.output_modalities", "always speaks",
        ),
        (
            {"type": "session.update",
             "session": {"audio": {"input": {"format": {"type": "audio/pcmu"}}}}},
            "unsupported", "session.audio.input.format", "16-bit",
        ),
        (
            {"type": "session.update", "session": {"audio": {"output": {"voice": "../x"}}}},
            "bad_request", None, "is no voice of this server",
        ),
        (
            {"type": "session.update", "session": {"instructions": "a" * 20_000}},
            "invalid_value", "session.instructions", "20000 characters; at most 16000",
        ),
        ({"type": "session.update", "session": []}, "invalid_value", "session", "an object"),
        ({"type": "session.update", "session": {"audio": {"input": {"turn_detection": {
            "type": "magic"}}}}}, "invalid_value", "session.audio.input.turn_detection.type",
            "server_vad, semantic_vad"),
        (
            {"type": "conversation.item.create", "item": {"type": "message", "role": "user",
             "content": [{"type": "input_text", "text": "Hello"}]}},
            "unsupported", "item.content[0]", "hears and does not read",
        ),
        ({"type": "conversation.item.create", "item": {"type": "message", "role": "system"}},
         "unsupported", "item", "only messages of user and assistant"),
        ({"type": "response.create", "response": {"instructions": "Sing."}}, "unsupported",
         "response.instructions", "answers what it hears"),
        ({"type": "conversation.item.truncate"}, "invalid_value", "item_id", "are needed"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_answered_with_an_error_and_the_session_goes_on(
    server: ServerInThread, event: dict[str, Any], code: str, param: str | None, words: str
) -> None:
    async def work(connection: AsyncRealtimeConnection) -> None:
        error = await asked(connection, event | {"event_id": "mine"})
        assert (error.code, error.param, error.event_id) == (code, param, "mine")
        assert words in error.message
        await connection.input_audio_buffer.append(audio=SECOND)
        await connection.input_audio_buffer.commit()
        await until(connection, "input_audio_buffer.committed")

    talk(server, work)


@pytest.mark.parametrize(
    "message",
    ["{", "[]", "7", "[" * 100_000, '{"type": 3}', "\x00", NAN, NAN.replace("NaN", "1e999")],
)
def test_what_is_no_event_is_answered_with_an_error(server: ServerInThread, message: str) -> None:
    async def work(connection: AsyncRealtimeConnection) -> None:
        await connection.send_raw(message)
        async for answer in connection:
            if answer.type == "error":
                break
        await connection.session.update(session={"type": "realtime"})
        await until(connection, "session.updated")

    talk(server, work)


def test_half_a_character_comes_back_as_it_came(server: ServerInThread) -> None:
    async def work(connection: AsyncRealtimeConnection) -> None:
        half = {"type": "\ud800", "event_id": "\ud800"}
        assert (await asked(connection, half)).event_id == half["event_id"]
        await connection.session.update(session={"type": "realtime"})
        await until(connection, "session.updated")

    talk(server, work)


def test_what_it_is_to_say_may_be_the_first_thing(server: ServerInThread) -> None:
    async def work(connection: AsyncRealtimeConnection) -> None:
        content = {"type": "output_text", "text": "Good morning."}
        item = {"type": "message", "role": "assistant", "content": [content]}
        for _ in range(2):  # cancelled before anybody is there to say it, and said
            await connection.conversation.item.create(item=item)  # type: ignore[arg-type]
            await connection.response.create()
            created = await until(connection, "response.created")
            await connection.response.cancel()
            ended = await until(connection, "response.done")
            assert ended.response.id == created.response.id
            assert ended.response.status == "cancelled"
        await connection.conversation.item.create(item=item)  # type: ignore[arg-type]
        await connection.response.create()
        await until(connection, "response.output_audio_transcript.delta")

    talk(server, work)


def test_too_much_at_once_is_not_heard_and_said_so(server: ServerInThread) -> None:
    half_a_minute = base64.b64encode(bytes(2 * 20 * RATE)).decode()

    async def work(connection: AsyncRealtimeConnection) -> None:
        await connection.input_audio_buffer.append(audio=half_a_minute)
        event = {"type": "input_audio_buffer.append", "audio": half_a_minute}
        assert (await asked(connection, event)).code == "input_audio_buffer_full"

    talk(server, work)


def test_one_more_than_there_is_room_for_is_refused(server: ServerInThread) -> None:
    async def two(caller: Caller) -> None:
        await caller.listen(lambda heard: HANDSHAKE in heard.kinds)
        async with aiohttp.ClientSession() as session:
            other = Caller(await session.ws_connect(server.url(token="secret")))
            await other.listen(lambda heard: HANDSHAKE in heard.kinds)
            async with connected(server) as connection:
                error = await asked(connection, {"type": "input_audio_buffer.append",
                                                 "audio": SECOND})  # fmt: skip
                assert error.code == "full" and "conversations" in error.message
                with pytest.raises(Exception, match="1013"):
                    await connection.recv()

    calling(server.empty().url(token="secret"), two)


def test_who_says_nothing_is_hung_up_on(server: ServerInThread) -> None:
    async def work(connection: AsyncRealtimeConnection) -> None:
        await connection.input_audio_buffer.append(audio=SECOND)
        async for event in connection:
            if event.type == "error":
                assert event.error.code == "idle"
                return
        raise AssertionError("hung up without a word")

    talk(server, work)
    assert server.empty()


def test_pages_give_their_token_as_a_subprotocol(server: ServerInThread) -> None:
    async def go() -> None:
        url = f"ws://{server.host}/v1/realtime"
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.WSServerHandshakeError, match="401"):
                await session.ws_connect(url, protocols=["realtime"])
            offered = ["realtime", "openai-insecure-api-key.secret"]
            async with session.ws_connect(url, protocols=offered) as socket:
                assert socket.protocol == "realtime"
                assert (await socket.receive_json(timeout=5))["type"] == "session.created"

    asyncio.run(go())
