"""A fleet of two replicas, many callers, and one replica that is killed amid them.

``python benchmarks/fleet.py [--callers 20] [--sessions 1] [--at-once 20] [--seconds 10]`` starts
`personaplex fleet` on this machine (other options are its own) and lets callers come, each with the
demo's recording at its own pace over Moshi's protocol. Who is refused comes again after a second.
When a quarter of the callers is through, one replica is ended with SIGKILL: who was on it comes
again at once. Printed are how many were refused, how long those who were lost had to wait and what
their robot then knew, and the longest pause in the speech of each of the others.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import psutil
import sphn

from personaplex_ros.audio import read_wave, to_mono
from personaplex_ros.files import write_whole
from personaplex_ros.resources import share_directory

RATE, FRAME = 24_000, 1920
FRAME_S = FRAME / RATE
HANDSHAKE, AUDIO, TEXT, _, METADATA, ERROR = range(6)
FULL, ENDING = 1013, 1012
AGAIN_S = 1.0
"""After which a caller comes again that was refused."""
REPLICA = "ray::ServeReplica:personaplex:replica"
AROUND_S = 30.0
"""After the replica's end, within which a pause of the others is put down to it."""


@dataclass
class Call:
    """What one caller saw; times are those of its clock."""

    came_s: list[float] = field(default_factory=list)
    sent: int = 0
    text: str = ""
    refused: int = 0
    words: str = ""
    key: str = ""
    lost_s: float | None = None
    back_s: float | None = None
    remembers: str | None = None
    text_before: str = ""

    def pause_s(self, since_s: float = 0.0, until_s: float = float("inf")) -> float:
        """Return the longest time without speech of one connection, within those."""
        gaps = [
            b - a
            for a, b in zip(self.came_s[:-1], self.came_s[1:], strict=True)
            if b >= since_s and a <= until_s and not (self.lost_s and a <= self.lost_s <= b)
        ]
        return max(gaps, default=0.0)

    def told(self, killed_s: float) -> str:
        """Return what became of one that was lost."""
        if self.lost_s is None or self.back_s is None:
            return "lost, and not taken up again"
        return (
            f"lost {self.lost_s - killed_s:.2f} s after the replica's end, talking again "
            f"{self.back_s - killed_s:.2f} s after it\n   said before: "
            f"{self.text_before.strip()!r}\n   remembers:   {self.remembers!r}\n   said then:   "
            f"{self.text.strip()!r}"
        )


def pages(seconds: float) -> list[bytes]:
    """Return the demo's caller as messages, one for each frame."""
    wave = read_wave(share_directory() / "config" / "demo" / "caller.wav")
    samples = np.resize(to_mono(wave.samples), round(seconds / FRAME_S) * FRAME)
    writer = sphn.OpusStreamWriter(RATE)
    frames = samples.reshape(-1, FRAME)
    return [bytes([AUDIO]) + writer.append_pcm(frame) for frame in frames]


async def hold(http: aiohttp.ClientSession, url: str, seconds: float, call: Call) -> None:
    """Hold a conversation of so many seconds in all, coming again as often as that takes."""
    while call.sent * FRAME_S < seconds:
        async with http.ws_connect(f"{url}?resume={call.key or 'new'}", max_msg_size=0) as socket:
            ready = asyncio.Event()
            listening = asyncio.ensure_future(listen(socket, call, ready))
            opening = asyncio.ensure_future(ready.wait())
            await asyncio.wait((listening, opening), return_when=asyncio.FIRST_COMPLETED)
            opening.cancel()
            if ready.is_set():
                speaking = asyncio.ensure_future(speak(socket, seconds, call))
                await asyncio.wait((listening, speaking), return_when=asyncio.FIRST_COMPLETED)
                speaking.cancel()
            if not listening.done():
                await socket.close()
            await listening
            if socket.close_code == FULL:
                call.refused += 1
                await asyncio.sleep(AGAIN_S)
            elif socket.close_code == ENDING:
                call.lost_s = call.lost_s or time.monotonic()
                call.text_before, call.text, call.sent = call.text, "", 0


async def speak(socket: Any, seconds: float, call: Call) -> None:
    """Send the recording at its pace."""
    begin_s = time.monotonic()
    for number, message in enumerate(pages(seconds)):
        await asyncio.sleep(max(0.0, begin_s + (number + 1) * FRAME_S - time.monotonic()))
        await socket.send_bytes(message)
        call.sent += 1


async def listen(socket: Any, call: Call, ready: asyncio.Event) -> None:
    """Note what comes until the server hangs up."""
    async for message in socket:
        kind, content = message.data[0], message.data[1:]
        if kind == HANDSHAKE:
            ready.set()
            if call.lost_s is not None and call.back_s is None:
                call.back_s = time.monotonic()
        elif kind == AUDIO:
            call.came_s.append(time.monotonic())
        elif kind == TEXT:
            call.text += content.decode()
        elif kind == METADATA:
            about = json.loads(content)
            call.key = about.get("resume", call.key)
            call.remembers = about.get("remembers", call.remembers)
        elif kind == ERROR:
            call.words = content.decode()


def replicas(server: int) -> list[psutil.Process]:
    """Return the replicas' processes below one."""
    below = psutil.Process(server).children(recursive=True)
    return [p for p in below if p.is_running() and " ".join(p.cmdline()).startswith(REPLICA)]


async def run(url: str, server: int, arguments: argparse.Namespace) -> tuple[list[Call], float]:
    """Let the callers come; return what they saw, and when the replica was ended."""
    calls = [Call() for _ in range(arguments.callers)]
    room = asyncio.Semaphore(arguments.at_once)
    over = 0
    killed_s = 0.0

    async def come(http: aiohttp.ClientSession, call: Call) -> None:
        nonlocal over
        async with room:
            await hold(http, url, arguments.seconds, call)
            over += 1

    async def kill() -> None:
        nonlocal killed_s
        while over < arguments.callers // 4:
            await asyncio.sleep(0.1)
        await asyncio.sleep(arguments.seconds * 0.7)
        victim = replicas(server)[0]
        killed_s = time.monotonic()
        os.kill(victim.pid, signal.SIGKILL)

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        await asyncio.gather(kill(), *(come(http, call) for call in calls))
    return calls, killed_s


def report(calls: list[Call], killed_s: float) -> None:
    """Print the table."""
    lost = [call for call in calls if call.lost_s is not None]
    others = [call for call in calls if call.lost_s is None]
    during = [call for call in others if call.came_s[0] < killed_s < call.came_s[-1]]
    print(f"{len(calls)} conversations, all held to their end: {all(c.came_s for c in calls)}")
    print(f"refused in words and come again: {sum(c.refused for c in calls)} times")
    for call in lost:
        print(call.told(killed_s))
    calm = [call.pause_s(0.0, killed_s) for call in others if call.came_s[0] < killed_s]
    print(f"pauses in the speech, the longest of each conversation: before {in_ms(calm)}")
    pauses = [call.pause_s(killed_s, killed_s + AROUND_S) for call in during]
    print(f"   who talked with the other replica meanwhile: {in_ms(pauses)}")
    after = [call.pause_s(killed_s) for call in others if call.came_s[0] > killed_s]
    print(f"   who came later: {in_ms(after)}")


def in_ms(pauses_s: list[float]) -> str:
    """Return the middle and the longest of pauses."""
    if not pauses_s:
        return "nobody"
    return f"median {1e3 * float(np.median(pauses_s)):.0f}, longest {1e3 * max(pauses_s):.0f} ms"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--callers", type=int, default=20)
    parser.add_argument("--at-once", type=int, default=20)
    parser.add_argument("--sessions", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--port", type=int, default=8123)
    parser.add_argument("--checkpoint", default="nano")
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments, rest = parser.parse_known_args()
    command = [sys.executable, "-m", "personaplex_ros", "fleet", "--replicas", "2",
               "--sessions", str(arguments.sessions), "--port", str(arguments.port),
               "--checkpoint", arguments.checkpoint, "--device", "cpu", "--drain", "0",
               *rest]  # fmt: skip
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        line = child.stdout.readline()
        print(line, end="", flush=True)
        url = line.split()[2].rstrip(",")
        calls, killed_s = asyncio.run(run(url, child.pid, arguments))
        report(calls, killed_s)
        if arguments.json is not None:
            seen = {"killed_s": killed_s, "calls": [vars(call) for call in calls]}
            write_whole(arguments.json, lambda place: place.write_text(json.dumps(seen)))
    finally:
        child.terminate()
        child.wait(60)


if __name__ == "__main__":
    main()
