"""The server over its own protocol: who talks, who is refused, and what is lost for nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import numpy as np
import pytest
from server_support import (
    AUDIO,
    ERROR,
    FRAME,
    HANDSHAKE,
    METADATA,
    RATE,
    Caller,
    Heard,
    ServerInThread,
    calling,
    never,
    spoken,
)

from personaplex_ros.engine import Engine
from personaplex_ros.server.limits import Limits

RESUME_S = 2.0
QUIET = np.zeros(FRAME, np.float32)


@pytest.fixture(scope="module")
def running(small_checkpoint: Path) -> Iterator[ServerInThread]:
    engine = Engine.load(small_checkpoint, device="cpu", slots=3)
    with ServerInThread(engine, 3, limits=Limits(resume_s=RESUME_S)) as server:
        yield server


@pytest.fixture
def server(running: ServerInThread) -> ServerInThread:
    return running.empty()


async def second(caller: Caller) -> Heard:
    """Be silent for a second when the persona is ready, and listen for as long again."""
    await caller.listen(lambda heard: HANDSHAKE in heard.kinds or bool(heard.errors))
    before = caller.heard.seconds
    await caller.speak(np.tile(QUIET, 13))
    return await caller.listen(lambda heard: heard.seconds >= before + 1.0 or bool(heard.errors))


def test_the_handshake_comes_first_and_then_a_frame_for_each(server: ServerInThread) -> None:
    heard = calling(server.url(seed=3), second)
    assert heard.kinds[:2] == [HANDSHAKE, METADATA]
    assert heard.kinds.count(AUDIO) in (13, 14)  # silence may stand in for one more
    assert heard.metadata[0] == {
        "type": "session", "resumed": False, "persona": "host", "voice": None, "seed": 3,
    }  # fmt: skip
    assert not heard.errors


def test_the_same_seed_says_the_same_and_another_something_else(server: ServerInThread) -> None:
    words = {
        seed: calling(server.url(seed=seed, text_temperature=1.0), second).text for seed in (1, 2)
    }
    assert calling(server.url(seed=1, text_temperature=1.0), second).text == words[1] != words[2]
    pair = server.url(text_seed=7, audio_seed=8, text_temperature=1.0)
    assert calling(pair, second).text == calling(pair, second).text


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"voice_prompt": "NOBODY"}, "'NOBODY' is no voice of this server; there are: "),
        ({"voice_prompt": "../../../etc/passwd"}, "is no voice of this server"),
        ({"voice_prompt": "/etc/passwd"}, "is no voice of this server"),
        ({"text_topk": "100"}, "text_topk is 100; it must be from 1 to 25"),
        ({"audio_temperature": "hot"}, "audio_temperature is 'hot', which is no number"),
        ({"audio_temperature": "nan"}, "audio_temperature is nan; it must be from 0 to 10"),
        ({"pad_mult": "2", "seed": "x"}, "seed is 'x', which is no number; pad_mult is 2"),
        ({"repetition_penalty": "1.2"}, "this server has it at 1 always"),
        ({"text_prompt": "a" * 20_000}, "text_prompt has 20000 characters; at most 16000"),
        ({"text_prompt": "very " * 3_000}, "shorten it by"),
        ({"resume": "nothing"}, "this conversation is over"),
    ],
)
def test_what_cannot_be_honoured_is_refused_in_words(
    server: ServerInThread, query: dict[str, str], words: str
) -> None:
    heard = calling(server.url(**query), lambda caller: caller.listen(never))
    assert heard.kinds == [ERROR] and words in heard.errors[0]
    assert heard.close_code == 1008
    assert not calling(server.url(), second).errors


def test_what_asks_for_nothing_is_taken(server: ServerInThread) -> None:
    url = server.url(
        text_prompt="", pad_mult=0, repetition_penalty=1.0, repetition_penalty_context=64,
        text_temperature=0, audio_temperature=0.8, audio_topk=250, text_topk=25, email="",
    )  # fmt: skip
    assert calling(url, second).seconds > 0.9


def test_one_more_than_there_is_room_for_is_refused_and_comes_in_later(
    server: ServerInThread,
) -> None:
    async def fill(session: aiohttp.ClientSession) -> None:
        callers = [Caller(await session.ws_connect(server.url())) for _ in range(3)]
        for caller in callers:
            await caller.listen(lambda heard: HANDSHAKE in heard.kinds)
        async with session.get(f"http://{server.host}/ready") as answer:
            assert answer.status == 503 and (await answer.json())["sessions"] == 3
        late = Caller(await session.ws_connect(server.url()))
        heard = await late.listen(never)
        assert heard.close_code == 1013 and "all 3 conversations" in heard.errors[0]
        assert all([(await second(caller)).seconds > 0.9 for caller in callers])

    async def go() -> None:
        async with aiohttp.ClientSession() as session:
            await fill(session)

    asyncio.run(go())
    server.empty()
    assert not calling(server.url(), second).errors


async def after_handshake(caller: Caller, *messages: bytes) -> Heard:
    await second(caller)
    try:
        for message in messages:
            await caller.socket.send_bytes(message)
    except ConnectionError:  # the server does not read on
        pass
    return await caller.listen(never)


@pytest.mark.parametrize(
    ("message", "words", "code"),  # of 10 MB, the client cannot read what it is told
    [
        (b"\x01" + b"RIFF" + bytes(200), "the audio is no Ogg-Opus", 1008),
        (b"\x01OggS" + b"\xff" * 300, "the audio is no Ogg-Opus", 1008),
        (bytes(10 << 20), "", None),
    ],
    ids=["wave", "broken", "10 MB"],
)
def test_a_client_that_sends_what_is_no_audio_is_told_and_nobody_else_loses_anything(
    server: ServerInThread, message: bytes, words: str, code: int
) -> None:
    async def both() -> tuple[Heard, Heard]:
        async with aiohttp.ClientSession() as session:
            good = Caller(await session.ws_connect(server.url()))
            bad = Caller(await session.ws_connect(server.url()))
            calm = asyncio.ensure_future(good.call(np.tile(QUIET, 25)))
            refused = await after_handshake(bad, message)
            heard = await good.listen(spoken(1.9))
            await calm
            return heard, refused

    before = server.count("personaplex_refusals_total")
    heard, refused = asyncio.run(both())
    assert server.count("personaplex_refusals_total") == before + 1
    assert code is None or refused.close_code == code
    assert not words or words in refused.errors[0]
    assert not heard.errors and heard.kinds.count(AUDIO) >= 24


def test_kinds_that_nobody_knows_are_dropped(server: ServerInThread) -> None:
    async def odd(caller: Caller) -> Heard:
        for message in (b"", b"\x00", b"\x01", b"\x02hello", b"\x03\x01", b"\x06", b"\xffOggS"):
            await caller.socket.send_bytes(message)
        await caller.socket.send_str("hello")
        return await second(caller)

    assert not calling(server.url(), odd).errors


def test_audio_of_any_rate_is_heard_at_its_own(server: ServerInThread) -> None:
    import sphn

    async def wide(caller: Caller) -> Heard:
        writer = sphn.OpusStreamWriter(48_000)
        for _ in range(13):
            pages = writer.append_pcm(np.zeros(2 * FRAME, np.float32))
            await caller.socket.send_bytes(b"\x01" + pages)
        return await caller.listen(spoken(0.9))

    heard = calling(server.url(), wide)
    assert 0.9 <= heard.seconds <= 1.3 and not heard.errors


def test_audio_far_ahead_of_time_and_a_flood_of_messages_are_refused(
    server: ServerInThread,
) -> None:
    async def hurry(caller: Caller) -> Heard:
        await caller.speak(np.zeros(12 * RATE, np.float32))
        return await caller.listen(never)

    async def flood(caller: Caller) -> Heard:
        for _ in range(1_000):
            await caller.socket.send_bytes(b"\x06")
        return await caller.listen(never)

    assert "audio is 10 s ahead of time" in calling(server.url(), hurry).errors[0]
    assert "messages a second" in calling(server.url(), flood).errors[0]


def test_a_dropped_connection_is_taken_up_within_its_time(server: ServerInThread) -> None:
    async def drop_and_come_back() -> None:
        async with aiohttp.ClientSession() as session:
            caller = Caller(await session.ws_connect(server.url(resume="new", seed=5)))
            await second(caller)
            key = caller.heard.metadata[0]["resume"]
            assert caller.heard.metadata[0]["resume_s"] == RESUME_S
            connection = caller.socket._response.connection
            assert connection is not None and connection.transport is not None
            connection.transport.abort()
            await asyncio.sleep(0.5)
            frames = server.count("personaplex_frame_seconds_count")
            await asyncio.sleep(0.7)  # it stands still
            assert server.count("personaplex_frame_seconds_count") == frames
            back = Caller(await session.ws_connect(server.url(resume=key)))
            heard = await second(back)
            assert heard.metadata[0]["resumed"] and not heard.errors
            connection = back.socket._response.connection
            assert connection is not None and connection.transport is not None
            connection.transport.abort()

    before = server.count("personaplex_sessions_begun_total")
    asyncio.run(drop_and_come_back())
    assert server.count("personaplex_sessions_begun_total") == before + 1
    assert server.sessions.open == 1  # it may come back once more
    server.empty()


def test_who_comes_back_takes_the_place_of_a_connection_that_only_looks_sound(
    server: ServerInThread,
) -> None:
    async def come_twice() -> None:
        async with aiohttp.ClientSession() as session:
            first = Caller(await session.ws_connect(server.url(resume="new")))
            await second(first)
            key = first.heard.metadata[0]["resume"]
            back = Caller(await session.ws_connect(server.url(resume=key)))
            assert (await second(back)).metadata[0]["resumed"]
            heard = await first.listen(never)
            assert heard.close_code == 1008 and "another client has taken" in heard.errors[0]
            assert not (await second(back)).errors
            await back.socket.close()

    asyncio.run(come_twice())
    server.empty()


def test_metrics_and_health_tell_of_it(server: ServerInThread) -> None:
    calling(server.url(), second)

    async def ask() -> tuple[str, dict[str, bool]]:
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://{server.host}/metrics") as answer:
                metrics = await answer.text()
            async with session.get(f"http://{server.host}/health") as answer:
                return metrics, await answer.json()

    metrics, health = asyncio.run(ask())
    assert health == {"healthy": True}
    assert 'personaplex_sessions_begun_total{protocol="moshi"}' in metrics
    assert "personaplex_own_seconds_bucket" in metrics
