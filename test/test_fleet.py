"""A fleet: many replicas behind one address, one of which may vanish; without Ray."""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fleet_support import FleetHere
from server_support import (
    FRAME,
    HANDSHAKE,
    HOST,
    METADATA,
    Caller,
    Heard,
    never,
    spoken,
)

from personaplex_ros.cli.command_line import run
from personaplex_ros.cli.fleet import add_arguments
from personaplex_ros.engine import Engine
from personaplex_ros.fleet.ledger import (
    ALIVE_S,
    MOST_SAID,
    REMEMBERED_S,
    Ledger,
    Remembered,
    Report,
    last_words,
)
from personaplex_ros.fleet.passage import WAITING_BYTES
from personaplex_ros.fleet.replica import TELL_S
from personaplex_ros.fleet.replicas import RETURN_S
from personaplex_ros.interruption import Interruption

pytestmark = pytest.mark.alone

QUIET = np.zeros(FRAME, np.float32)
BYE = 1000
TOLD_S = TELL_S + 0.1


@pytest.fixture(scope="module")
def engines(small_checkpoint: Path) -> dict[str, Engine]:
    return {name: Engine.load(small_checkpoint, device="cpu", slots=2) for name in ("one", "two")}


def held(
    engines: dict[str, Engine], work: Callable[[FleetHere], Awaitable[None]], **options: Any
) -> None:
    """Do that with a fleet."""

    async def run_it() -> None:
        fleet = FleetHere(**({"wait_s": 0.3} | options))
        await fleet.start(engines)
        try:
            await until(lambda: len(fleet.ledger._reports) == 2)
            await work(fleet)
        finally:
            await fleet.close()

    asyncio.run(run_it())


async def until(so: Callable[[], bool]) -> None:
    for _ in range(500):
        if so():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it did not become so")


def ready(heard: Heard) -> bool:
    return HANDSHAKE in heard.kinds[:-1] or bool(heard.errors)


async def talking(caller: Caller, seconds: float = 0.4) -> Heard:
    """Wait for the handshake, be silent, and hear the robot for a while."""
    await caller.listen(ready)
    await caller.speak(np.tile(QUIET, 10))
    return await caller.listen(lambda heard: spoken(seconds)(heard) or bool(heard.errors))


def test_callers_are_shared_out_and_the_last_is_told_that_all_is_taken(
    engines: dict[str, Engine],
) -> None:
    async def work(fleet: FleetHere) -> None:
        async with AsyncExitStack() as stack:
            callers = [await stack.enter_async_context(fleet.caller()) for _ in range(4)]
            for caller in callers:
                heard = await talking(caller)
                assert heard.kinds[:2] == [HANDSHAKE, METADATA] and not heard.errors
            assert [r.sessions.open for r in fleet.handle.replicas] == [2, 2]
            await asyncio.sleep(TOLD_S)
            status, body = await fleet.get("/ready")
            assert status == 503 and json.loads(body)["sessions"] == 4
            async with fleet.caller() as e:
                heard = await e.listen(never)
            assert heard.close_code == 1013
            assert heard.errors == [
                "all conversations of this fleet are taken; come back later (0.3 s were waited)"
            ]
            await callers[0].socket.close(code=BYE)
            await until(lambda: sum(fleet.handle.replicas.values()) == 3)
            async with fleet.caller() as again:
                assert not (await talking(again)).errors
        await until(lambda: not any(r.sessions.open for r in fleet.handle.replicas))
        await until(lambda: set(fleet.handle.replicas.values()) == {0})

    held(engines, work)


def test_a_replica_that_declines_does_not_keep_a_caller_from_another(
    engines: dict[str, Engine],
) -> None:
    async def work(fleet: FleetHere) -> None:
        await fleet.named("one").sessions.drain(0.0)
        async with fleet.caller() as caller:
            assert not (await talking(caller)).errors
            assert fleet.busy() is fleet.named("two")
            await caller.socket.close(code=BYE)
        await fleet.named("two").sessions.drain(0.0)
        async with fleet.caller() as caller:
            heard = await caller.listen(never)
        assert heard.close_code == 1013
        assert heard.errors == ["the server is about to end; come back in a while"]

    held(engines, work, wait_s=2.0)


def test_a_broken_connection_finds_its_replica_again(engines: dict[str, Engine]) -> None:
    async def work(fleet: FleetHere) -> None:
        async with fleet.caller("resume=new") as caller:
            key = (await talking(caller)).metadata[0]["resume"]
        await asyncio.sleep(TOLD_S)
        owner = fleet.busy()
        assert set(fleet.handle.replicas.values()) == {0, 1}  # it still counts
        async with fleet.caller(f"resume={key}") as caller:
            heard = await talking(caller)
            assert heard.metadata[0]["resumed"] is True
            assert fleet.busy() is owner and owner.sessions.open == 1
            await caller.socket.close(code=BYE)
        await until(lambda: set(fleet.handle.replicas.values()) == {0})
        await asyncio.sleep(TOLD_S)
        async with fleet.caller(f"resume={key}") as caller:
            heard = await caller.listen(never)
        assert heard.close_code == 1008
        assert heard.errors == ["this conversation is over; begin a new one"]

    held(engines, work)


def test_who_loses_a_replica_begins_anew_and_the_robot_knows_what_it_said(
    engines: dict[str, Engine],
) -> None:
    async def work(fleet: FleetHere) -> None:
        async with fleet.caller("resume=new&text_prompt=You+sell+fish.") as lost:
            key = (await talking(lost)).metadata[0]["resume"]
            victim = fleet.busy()
            async with fleet.caller() as other:
                await talking(other)
                victim.sessions.conversations[0].said.append("We close at five.")
                await asyncio.sleep(TOLD_S)
                await fleet.kill(victim)
                heard = await lost.listen(never)
                assert heard.close_code == 1012
                assert f"resume={key} in the query" in heard.errors[-1]
                assert not (await talking(other, other.heard.seconds + 0.4)).errors
                query = f"resume={key}&text_prompt=You+sell+fish."
                async with fleet.caller(query) as back:
                    heard = await talking(back)
                    assert [m["type"] for m in heard.metadata[:2]] == ["begun_anew", "session"]
                    assert "We close at five." in heard.metadata[0]["remembers"]
                    assert heard.metadata[1]["resumed"] is False
                    assert heard.metadata[1]["resume"] != key
        assert HOST.text_prompt in fleet.prompts
        assert fleet.prompts[-1].startswith("You sell fish. Before, you said: ")
        assert "We close at five." in fleet.prompts[-1]

    held(engines, work)


def test_the_other_protocol_too(engines: dict[str, Engine]) -> None:
    async def work(fleet: FleetHere) -> None:
        async with fleet.socket("/v1/realtime") as socket:
            created = json.loads((await socket.receive(5)).data)
            assert created["type"] == "session.created"
            silence = "AAAA" * 640
            sound = {"type": "input_audio_buffer.append", "audio": silence}
            await socket.send_str(json.dumps(sound))
            await until(lambda: any(r.sessions.open for r in fleet.handle.replicas))
            await asyncio.sleep(TOLD_S)
            await fleet.kill(fleet.busy())
            while (event := json.loads((await socket.receive(5)).data))["type"] != "error":
                pass
            words = event["error"]["message"]
            await socket.receive(5)
            assert socket.close_code == 1012
        key = words.partition("resume=")[2].partition(" ")[0]
        async with fleet.socket("/v1/realtime", f"resume={key}") as socket:
            kinds = [json.loads((await socket.receive(5)).data)["type"] for _ in range(2)]
        assert kinds == ["session.created", "personaplex.begun_anew"]

    held(engines, work)


def test_the_door_is_guarded_and_tells_of_all(engines: dict[str, Engine]) -> None:
    async def work(fleet: FleetHere) -> None:
        for headers, status in (({}, 401), ({"origin": "https://evil.example"}, 403)):
            async with fleet.socket("/api/chat", **headers) as socket:
                await until(lambda socket=socket: len(socket.denied) == 2)
                assert socket.denied[0]["status"] == status
        assert (await fleet.get("/metrics"))[0] == 401
        status, text = await fleet.get("/metrics?token=key")
        for name in ("one", "two"):
            assert f'personaplex_sessions{{replica="{name}"}} 0.0' in text
            assert f'personaplex_frame_seconds_bucket{{le="0.08",replica="{name}"}} 0.0' in text
        assert text.count("# TYPE personaplex_sessions gauge") == 1
        assert (await fleet.get("/"))[1].startswith("<!doctype html>")
        assert "worklet" in (await fleet.get("/web/worklets.js"))[1].lower()
        assert (await fleet.get("/api/people"))[0] == 401
        people = json.loads((await fleet.get("/api/people", authorization="Bearer key"))[1])
        assert people["people"][0]["name"] == HOST.name
        assert (await fleet.get("/web/../secret"))[0] == 404
        assert (await fleet.get("/elsewhere"))[0] == 404
        assert (await fleet.get("/api/chat?token=key"))[0] == 426
        assert json.loads((await fleet.get("/health"))[1])["replicas"] == 2
        async with fleet.socket("/api/chat", "token=key") as socket:
            caller = Caller(socket)  # type: ignore[arg-type]
            assert not (await talking(caller)).errors
        for name in ("one", "two"):
            await fleet.kill(fleet.named(name))
        fleet.ledger._reports.clear()
        assert (await fleet.get("/"))[0] == (await fleet.get("/health"))[0] == 503

    held(engines, work, tokens=("key",))


def test_the_ledger_forgets() -> None:
    now = [0.0]
    ledger = Ledger(lambda: now[0])
    told = {"key": Remembered("lease", "Hello.")}
    asyncio.run(ledger.tell(Report("one", "http://one", 1, 2, "", told)))
    assert len(asyncio.run(ledger.replicas())) == 1
    now[0] = ALIVE_S + 0.1
    assert asyncio.run(ledger.replicas()) == []
    found = asyncio.run(ledger.find("key"))
    assert found is not None and found.said == "Hello."
    assert asyncio.run(ledger.key_of("lease")) == "key"
    now[0] = REMEMBERED_S + 0.1
    assert asyncio.run(ledger.find("key")) is None
    asyncio.run(ledger.tell(Report("two", "http://two", 0, 2)))
    assert list(ledger._reports) == ["two"]


def test_what_is_remembered_is_bounded() -> None:
    assert last_words("") == ""
    assert last_words(" One. Two") == "One. Two"
    long = "word " * 70
    assert last_words(f"{long}end. Then {long}") == f"Then {long}".strip()
    endless = last_words("word " * 1000)
    assert len(endless) <= MOST_SAID and endless.startswith("word word")


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--replicas", "0"], "--replicas is 0; it must be at least 1"),
        (["--replicas", "3", "--most-replicas", "2"], "it must be at least --replicas (3)"),
        (["--wait", "30"], "--wait is 30; it must be from 0 to 8"),
        (["--busy", "0"], "--busy is 0; it must be above 0"),
        (["--device", "cuda:1"], "Ray gives each replica a GPU of its own: use cuda"),
        (["--sessions", "0"], "--sessions is 0; it must be at least 1"),
    ],
)
def test_bad_options(words: list[str], problem: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["fleet", *words], Interruption(False)) == 2
    assert problem in capsys.readouterr().err


def test_without_ray_it_is_told_how_to_get_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert run(["fleet"], Interruption(False)) == 2
    assert "personaplex fleet needs Ray" in capsys.readouterr().err


def test_what_the_document_says_is_so() -> None:
    text = (Path(__file__).parent.parent / "docs" / "fleet.md").read_text(encoding="utf-8")
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    named = set(re.findall(r"`(--[a-z-]+)", text))
    of_benchmarks = {"--help", "--only", "--frames", "--price", "--at-once"}
    assert {"--busy", "--wait", "--drain"} <= named
    assert named - of_benchmarks <= set(parser._option_string_actions)
    for option in re.findall(r"`(--[a-z-]+)` s? ?\(([0-9.]+)\)", text):
        assert parser.get_default(option[0][2:].replace("-", "_")) == float(option[1]), option
    assert f"within {REMEMBERED_S:g} s gets a new conversation" in text
    assert f"for up to {RETURN_S:g} s for room" in text
    assert f"the last {MOST_SAID} characters" in text
    assert f"of\n  whom {WAITING_BYTES >> 20} MiB wait" in text
