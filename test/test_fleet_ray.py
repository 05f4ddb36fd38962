"""A fleet on Ray itself: a replica that is killed, and one that is replaced, amid conversations."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import psutil
import pytest
from benchmark_support import BENCHMARKS
from dds_support import wait_until
from server_support import ERROR, FRAME, RATE, Caller, Heard, never

WITHOUT = "Ray is not installed: pip install -r requirements-fleet.txt"
pytestmark = [pytest.mark.long, pytest.mark.skipif(find_spec("ray") is None, reason=WITHOUT)]

UPDATE = Path(__file__).parent / "fleet_update.py"
REPLICA = "ray::ServeReplica:personaplex:replica"
CALLERS = 20
ANN = ("--text-prompt", "Ann.")
BACK_S = 30.0
"""Within which who was lost talks again, on a machine that does other work, too."""
QUIET = np.zeros(FRAME, np.float32)


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def left_over(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [p for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


def test_twenty_conversations_and_a_replica_that_is_killed(
    small_checkpoint: Path, tmp_path: Path
) -> None:
    seen = tmp_path / "seen.json"
    command = [sys.executable, str(BENCHMARKS / "fleet.py"), "--checkpoint", str(small_checkpoint),
               "--callers", str(CALLERS), "--sessions", "2", "--seconds", "4",
               "--port", str(free_port()), "--json", str(seen), *ANN]  # fmt: skip
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    child.stdout.readline()
    below = psutil.Process(child.pid).children(recursive=True)
    output = child.stdout.read()
    assert child.wait(20) == 0, output
    calls: list[dict[str, Any]] = json.loads(seen.read_text())["calls"]
    assert len(calls) == CALLERS and all(len(call["came_s"]) > 15 for call in calls)
    lost = [call for call in calls if call["lost_s"] is not None]
    assert 1 <= len(lost) <= 2, output
    for call in lost:
        assert call["back_s"] - call["lost_s"] < BACK_S, output
        assert call["remembers"] is not None, output
    assert sum(call["refused"] for call in calls) > 0, output
    assert "come back later" in next(call["words"] for call in calls if call["refused"])
    wait_until(lambda: not left_over(below), 20.0)


async def talk(url: str, update: Any) -> tuple[Heard, Heard]:
    """Talk while the fleet is updated, and to the one that it is then."""
    async with aiohttp.ClientSession() as http:
        async with http.ws_connect(url) as line:
            caller = Caller(line)
            before = caller.heard
            await caller.listen(lambda heard: bool(heard.metadata))
            updating = asyncio.ensure_future(asyncio.to_thread(update))
            for _ in range(120):  # while a replica is started, and waits to be allowed to begin
                await caller.call(QUIET)
            listening = asyncio.ensure_future(caller.listen(never, 20.0))
            await caller.call(np.tile(QUIET, 25))
            await line.close()
            await listening
        await updating
        async with http.ws_connect(url) as line:
            caller = Caller(line)
            await caller.speak(np.tile(QUIET, 10))
            after = await caller.listen(lambda heard: heard.seconds > 0.5 or bool(heard.errors))
    return before, after


def test_an_update_waits_for_those_who_talk(small_checkpoint: Path) -> None:
    port = free_port()
    words = ["--checkpoint", str(small_checkpoint), "--device", "cpu", "--drain", "60", *ANN]
    child = subprocess.Popen([sys.executable, str(UPDATE), str(port), *words], text=True,
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # fmt: skip
    assert child.stdin is not None and child.stdout is not None
    try:
        assert child.stdout.readline() == "up\n"
        below = psutil.Process(child.pid).children(recursive=True)
        old = {p.pid for p in below if " ".join(p.cmdline()).startswith(REPLICA)}

        def update() -> None:
            assert child.stdin is not None and child.stdout is not None
            print(file=child.stdin, flush=True)
            assert child.stdout.readline() == "updated\n"

        before, after = asyncio.run(talk(f"ws://127.0.0.1:{port}/api/chat", update))
        assert not before.errors and before.close_code is None and before.seconds > 5.0
        assert not after.errors and after.seconds > 0.5
        new = psutil.Process(child.pid).children(recursive=True)
        serving = {p.pid for p in new if " ".join(p.cmdline()).startswith(REPLICA)}
        assert serving and not serving & old
        print(file=child.stdin, flush=True)
        assert child.wait(30) == 0
        wait_until(lambda: not left_over(below + new), 20.0)
    finally:
        child.kill()


def complaint(*words: str) -> str:
    """Return what `personaplex fleet` says where it cannot begin."""
    command = [sys.executable, "-m", "personaplex_ros", "fleet", "--device", "cpu", *words]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=180)
    assert ended.returncode == 2 and not ended.stdout
    return ended.stderr[ended.stderr.index("personaplex: error:") :]


def test_what_cannot_be_is_told_in_a_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        told = complaint("--port", str(port))
    assert "Address already in use" in told and str(port) in told and told.count("\n") == 1
    told = complaint("--port", "0", "--checkpoint", "/nowhere")
    assert told.startswith("personaplex: error: a replica could not start: no checkpoint folder")
    assert told.count("\n") == 1


async def come_until_heard(url: str, tls: ssl.SSLContext, seconds: float) -> Heard:
    """Talk for so long, coming again as often as there is no room."""
    async with aiohttp.ClientSession() as http:
        for _ in range(20):
            async with http.ws_connect(url, ssl=tls) as line:
                caller = Caller(line)
                heard = await caller.listen(lambda heard: bool(heard.kinds))
                if ERROR not in heard.kinds:
                    listening = asyncio.ensure_future(caller.listen(never, seconds + 20.0))
                    await caller.call(np.zeros(round(seconds * RATE), np.float32))
                    await line.close()
                    return await listening
            assert "come back later" in heard.errors[0]
            await asyncio.sleep(0.5)
    raise AssertionError("there was never room")


def test_replicas_follow_the_conversations_and_the_end_waits_for_them(
    small_checkpoint: Path, tmp_path: Path
) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout",
                    str(key), "-out", str(certificate)],
                   check=True, capture_output=True)  # fmt: skip
    tls = ssl.create_default_context(cafile=str(certificate))
    command = [sys.executable, "-m", "personaplex_ros", "fleet", "--device", "cpu", "--port", "0",
               "--checkpoint", str(small_checkpoint), "--most-replicas", "2", "--sessions", "1",
               "--busy", "1", "--start-after", "1", "--drain", "90", "--tls-cert", str(certificate),
               "--tls-key", str(key), *ANN]  # fmt: skip
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    try:
        url = child.stdout.readline().split()[2].removesuffix(",")
        assert url.startswith("wss://")

        async def talk_and_end() -> tuple[Heard, Heard]:
            first = asyncio.ensure_future(come_until_heard(url, tls, 60.0))
            await asyncio.sleep(1.0)
            second = await come_until_heard(url, tls, 2.0)  # on the replica started meanwhile
            child.terminate()
            return await first, second

        first, second = asyncio.run(talk_and_end())
        assert not first.errors and first.seconds > 30.0
        assert not second.errors and second.seconds > 0.5
        assert child.wait(60) == 0
    finally:
        child.kill()
