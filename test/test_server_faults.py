"""What happens to conversations when the model fails or hangs, and when the server ends."""

from __future__ import annotations

import asyncio
import gc
import re
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
from dds_support import wait_until
from server_support import (
    AUDIO,
    FRAME,
    HANDSHAKE,
    Caller,
    Heard,
    ServerInThread,
    always,
    calling,
    never,
    spoken,
)

from personaplex_ros.engine import Engine, ModelFault
from personaplex_ros.server import app
from personaplex_ros.server.limits import Limits

QUIET = np.zeros(FRAME, np.float32)


@pytest.fixture(scope="module")
def engine(small_checkpoint: Path) -> Engine:
    return Engine.load(small_checkpoint, device="cpu", slots=2)


@pytest.fixture
def server(engine: Engine) -> Iterator[ServerInThread]:
    with ServerInThread(engine, 2) as server:
        yield server


async def hello(caller: Caller) -> Heard:
    """Talk a little."""
    await caller.listen(lambda heard: HANDSHAKE in heard.kinds)
    before = caller.heard.seconds
    await caller.speak(np.tile(QUIET, 4))
    return await caller.listen(spoken(before + 0.2))


async def two(server: ServerInThread, session: aiohttp.ClientSession) -> tuple[Caller, Caller]:
    first, other = [Caller(await session.ws_connect(server.url())) for _ in range(2)]
    await hello(first)
    await hello(other)
    return first, other


def test_one_conversation_that_fails_ends_and_the_other_goes_on(
    server: ServerInThread, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    step, failed = engine.step, []

    def broken(frames: dict[Any, Any]) -> Any:
        results = step(frames)
        victim = next((s for s in frames if s.slot == 0), None)
        if victim is None or failed:
            return results
        failed.append(victim)
        rest = {session: result for session, result in results.items() if session != victim}
        raise ModelFault({victim: "frame 9: numbers are not finite"}, rest)

    async def talk() -> tuple[Heard, Heard]:
        async with aiohttp.ClientSession() as session:
            first, other = await two(server, session)
            monkeypatch.setattr(engine, "step", broken)
            await first.speak(QUIET)
            refused = await first.listen(never)
            return refused, await hello(other)

    refused, heard = asyncio.run(talk())
    assert refused.close_code == 1011
    assert "the model failed, begin a new conversation" in refused.errors[0]
    assert "frame 9: numbers are not finite" in refused.errors[0]
    assert not heard.errors
    server.empty()
    assert not calling(server.url(), hello).errors


def test_a_model_that_hangs_makes_the_server_ill(
    server: ServerInThread, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "STALLED_S", 0.3)
    step, released = engine.step, threading.Event()

    def stuck(frames: Any) -> Any:
        assert released.wait(20)
        return step(frames)

    async def health(session: aiohttp.ClientSession) -> int:
        async with session.get(f"http://{server.host}/health") as answer:
            return answer.status

    async def talk() -> list[int]:
        async with aiohttp.ClientSession() as session:
            caller = Caller(await session.ws_connect(server.url()))
            await hello(caller)
            found = [await health(session)]
            monkeypatch.setattr(engine, "step", stuck)
            await caller.speak(QUIET)
            await asyncio.sleep(0.6)
            found.append(await health(session))
            released.set()
            await hello(caller)
            return [*found, await health(session)]

    assert asyncio.run(talk()) == [200, 503, 200]


def test_a_server_that_ends_lets_conversations_go_on_for_a_while(engine: Engine) -> None:
    with ServerInThread(engine, 2) as server:

        async def talk() -> tuple[Heard, Heard]:
            async with aiohttp.ClientSession() as session:
                first, other = await two(server, session)
                draining = asyncio.ensure_future(
                    asyncio.to_thread(server.in_loop, server.sessions.drain(2.0))
                )
                await asyncio.sleep(0.2)
                late = Caller(await session.ws_connect(server.url()))
                assert (await late.listen(never)).close_code == 1012
                assert "about to end" in late.heard.errors[0]
                assert not (await hello(first)).errors
                await first.socket.close()
                ended = await other.listen(never)
                await draining
                return first.heard, ended

        first, ended = asyncio.run(talk())
        assert not first.errors
        assert ended.close_code == 1012 and "the server ends" in ended.errors[0]
        assert server.sessions.open == 0


def test_a_client_that_hurries_takes_no_time_from_another(server: ServerInThread) -> None:
    async def talk() -> tuple[Heard, Heard]:
        async with aiohttp.ClientSession() as session:
            hasty, calm = await two(server, session)
            before = calm.heard.kinds.count(AUDIO)
            await hasty.speak(np.tile(QUIET, 100))  # 8 s at once
            await calm.call(np.tile(QUIET, 25))
            heard = await calm.listen(lambda heard: heard.kinds.count(AUDIO) >= before + 24)
            return heard, await hasty.listen(lambda heard: True)

    calm, hasty = asyncio.run(talk())
    assert not calm.errors
    assert hasty.kinds.count(AUDIO) < 60
    wait_until(lambda: server.count("personaplex_frames_lost_total") > 60)


def test_a_client_that_does_not_read_loses_the_oldest_and_nobody_else_anything(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It sends 10 s of sound at once through a narrow socket, and reads when all is answered."""
    caplog.set_level("INFO")
    noise = np.random.default_rng(0).normal(0, 0.1, FRAME)
    monkeypatch.setattr(engine, "step", always(noise, " word"))
    limits = Limits(catch_up_s=20.0, ahead_s=30.0, unsent_s=0.4, unsent_outputs=8)

    def narrow(address: Any) -> socket.socket:
        made = socket.socket(*address[:3])
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        return made

    async def talk() -> tuple[Heard, Heard]:
        connector = aiohttp.TCPConnector(socket_factory=narrow)
        async with (
            aiohttp.ClientSession(connector=connector) as narrow_session,
            aiohttp.ClientSession() as session,
        ):
            slow = Caller(await narrow_session.ws_connect(server.url(), max_msg_size=0))
            await hello(slow)
            good = Caller(await session.ws_connect(server.url()))
            connection = slow.socket._response.connection
            assert connection is not None and connection.transport is not None
            connection.transport.pause_reading()
            await slow.speak(np.tile(QUIET, 125))
            await good.call(np.tile(QUIET, 25))
            heard = await good.listen(spoken(1.9))
            answered = lambda: server.count("personaplex_frame_seconds_count") > 150  # noqa: E731
            await asyncio.to_thread(wait_until, answered, 20.0)
            connection.transport.resume_reading()
            return heard, await slow.listen(spoken(slow.heard.seconds + 0.4))

    with ServerInThread(engine, 2, limits=limits) as server:
        good, slow = asyncio.run(talk())
        server.empty()
        lost = server.count("personaplex_frames_lost_total")
        untold = server.count("personaplex_outputs_lost_total")
    assert lost > 40 and untold > 0
    assert re.search(r"not sent [1-9]\d+; words and events not sent: [1-9]", caplog.text)
    assert not good.errors and not slow.errors
    assert good.kinds.count(AUDIO) >= 24 and slow.seconds < 8


def test_a_client_that_is_gone_while_its_persona_is_prepared_leaves_no_slot_taken(
    server: ServerInThread, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare, begun, released = engine.prepare, threading.Event(), threading.Event()

    def slow(persona: Any) -> Any:
        begun.set()
        assert released.wait(20)
        return prepare(persona)

    monkeypatch.setattr(engine, "prepare", slow)

    async def leave(caller: Caller) -> None:
        await asyncio.to_thread(begun.wait, 10)

    calling(server.url(text_prompt="Be kind."), leave)
    released.set()
    wait_until(lambda: server.model.sessions == 0 and begun.is_set())
    assert not calling(server.url(), hello).errors
    wait_until(lambda: server.model.sessions == 0)


def test_nobody_complains_of_a_persona_that_fails_when_its_client_is_gone(
    server: ServerInThread,
    engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    begun, released, failed = threading.Event(), threading.Event(), threading.Event()

    def fail(persona: Any) -> Any:
        begun.set()
        assert released.wait(20)
        failed.set()
        raise RuntimeError("no room")

    async def leave(caller: Caller) -> None:
        await asyncio.to_thread(begun.wait, 10)

    with monkeypatch.context() as patch:
        patch.setattr(engine, "prepare", fail)
        calling(server.url(text_prompt="Be kind."), leave)
        time.sleep(0.5)  # until the server knows that it is gone
        released.set()
        assert failed.wait(10)
    assert not calling(server.url(), hello).errors
    gc.collect()
    assert not [record for record in caplog.records if record.name == "asyncio"]


def test_conversations_end_while_others_wait_for_their_personas(
    small_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Engine.load(small_checkpoint, device="cpu", slots=6)
    prepare, released = engine.prepare, threading.Event()

    def slow(persona: Any) -> Any:
        assert released.wait(20)
        return prepare(persona)

    with ServerInThread(engine, 6) as server:

        async def talk() -> None:
            async with aiohttp.ClientSession() as session:
                first = Caller(await session.ws_connect(server.url()))
                await hello(first)
                monkeypatch.setattr(engine, "prepare", slow)
                waiting = [Caller(await session.ws_connect(server.url())) for _ in range(5)]
                await asyncio.sleep(0.2)
                await first.socket.close()
                await asyncio.to_thread(wait_until, lambda: server.sessions.open == 0, 5.0)
                released.set()
                for caller in waiting:
                    assert not (await hello(caller)).errors

        asyncio.run(talk())


def test_a_conversation_with_which_frames_would_be_late_is_refused_by_what_was_measured(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "warm_frames", {2: 0.07})  # of 80 ms
    with ServerInThread(engine, 2, share=0.75) as server:

        async def talk() -> Heard:
            async with aiohttp.ClientSession() as session:
                first = Caller(await session.ws_connect(server.url()))
                await hello(first)
                late = Caller(await session.ws_connect(server.url()))
                refused = await late.listen(never)
                assert not (await hello(first)).errors
                status, about = await ready(session)
                assert status == 503 and about["why"] == refused.errors[0]
                await first.socket.close()
                await asyncio.to_thread(server.empty)
                assert (await ready(session))[0] == 200
                return refused

        async def ready(session: aiohttp.ClientSession) -> tuple[int, dict[str, Any]]:
            async with session.get(f"http://{server.host}/ready") as answer:
                return answer.status, await answer.json()

        refused = asyncio.run(talk())
    assert refused.close_code == 1013
    assert "a frame of 2 conversations takes 70.0 ms (measured at the start)" in refused.errors[0]


@pytest.mark.parametrize("log_words", [False, True])
def test_the_log_has_words_only_where_it_was_asked_to(
    engine: Engine, caplog: pytest.LogCaptureFixture, log_words: bool
) -> None:
    caplog.set_level("INFO")
    with ServerInThread(engine, 2, log_words=log_words) as server:
        said = calling(server.url(text_prompt="My secret role."), hello).text
        server.empty()
    assert "conversation 1 ended" in caplog.text and "secret" not in caplog.text
    assert said.strip() and (said.strip() in caplog.text) is log_words
