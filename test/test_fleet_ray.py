"""A fleet on Ray itself: a replica that is killed, and one that is replaced, amid conversations."""

from __future__ import annotations

import asyncio
import json
import socket
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
from server_support import FRAME, Caller, Heard, never

WITHOUT = "Ray is not installed: pip install -r requirements-fleet.txt"
pytestmark = [pytest.mark.long, pytest.mark.skipif(find_spec("ray") is None, reason=WITHOUT)]

UPDATE = Path(__file__).parent / "fleet_update.py"
REPLICA = "ray::ServeReplica:personaplex:replica"
CALLERS = 20
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
               "--port", str(free_port()), "--json", str(seen)]  # fmt: skip
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    child.stdout.readline()
    below = psutil.Process(child.pid).children(recursive=True)
    output = child.stdout.read()
    assert child.wait(20) == 0, output
    calls: list[dict[str, Any]] = json.loads(seen.read_text())["calls"]
    assert len(calls) == CALLERS and all(len(call["came_s"]) > 30 for call in calls)
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
    words = ["--checkpoint", str(small_checkpoint), "--device", "cpu", "--drain", "60"]
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
        assert not before.errors and before.close_code is None and before.seconds > 10.0
        assert not after.errors and after.seconds > 0.5
        new = psutil.Process(child.pid).children(recursive=True)
        serving = {p.pid for p in new if " ".join(p.cmdline()).startswith(REPLICA)}
        assert serving and not serving & old
        print(file=child.stdin, flush=True)
        assert child.wait(30) == 0
        wait_until(lambda: not left_over(below + new), 20.0)
    finally:
        child.kill()
