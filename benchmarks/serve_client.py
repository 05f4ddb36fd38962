"""One caller of ``benchmarks/serve_load.py``: a recording at the pace it was spoken, over the wire.

``python benchmarks/serve_client.py URL WAIT_S SECONDS`` plays the demo's caller, again and again,
to a server of Moshi's protocol and prints what it saw as a line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import numpy as np
import sphn

from personaplex_ros.audio import read_wave, to_mono
from personaplex_ros.resources import share_directory

RATE, FRAME = 24_000, 1920
FRAME_S = FRAME / RATE
LOUD = 0.01
"""Peak of a frame from which on it has sound."""
QUIET_S = 0.4
"""Silence before a sound that is an answer's first."""
PATIENCE_S = 4.0
"""For an answer to begin."""
HANDSHAKE, AUDIO, TEXT, _, METADATA, ERROR = range(6)


@dataclass
class Seen:
    """What a caller saw. Times are seconds of its clock; frames count from the handshake on."""

    sent_s: list[float] = field(default_factory=list)
    came_s: list[float] = field(default_factory=list)
    loud: list[bool] = field(default_factory=list)
    text: str = ""
    events: int = 0
    refused: str = ""


async def call(url: str, samples: np.ndarray, seconds: float) -> Seen:
    """Hold a conversation of so many seconds."""
    seen = Seen()
    async with aiohttp.ClientSession() as session, session.ws_connect(url) as socket:
        ready = asyncio.Event()
        listening = asyncio.ensure_future(listen(socket, seen, ready))
        await asyncio.wait([listening, asyncio.ensure_future(ready.wait())],
                           return_when=asyncio.FIRST_COMPLETED)  # fmt: skip
        if ready.is_set():
            await speak(socket, samples, seconds, seen)
            await asyncio.sleep(0.5)
        listening.cancel()
    return seen


async def speak(socket: Any, samples: np.ndarray, seconds: float, seen: Seen) -> None:
    """Send the recording at its pace."""
    writer = sphn.OpusStreamWriter(RATE)
    begin_s = time.monotonic()
    for number in range(round(seconds / FRAME_S)):
        at = number * FRAME % (len(samples) - FRAME)
        pages = writer.append_pcm(samples[at : at + FRAME])
        await asyncio.sleep(max(0.0, begin_s + (number + 1) * FRAME_S - time.monotonic()))
        if socket.closed:
            return
        seen.sent_s.append(time.monotonic())
        await socket.send_bytes(bytes([AUDIO]) + pages)


async def listen(socket: Any, seen: Seen, ready: asyncio.Event) -> None:
    """Note what comes, and when."""
    reader = sphn.OpusStreamReader(RATE)
    async for message in socket:
        if message.type != aiohttp.WSMsgType.BINARY:
            break
        kind, content = message.data[0], message.data[1:]
        if kind == HANDSHAKE:
            ready.set()
        elif kind == AUDIO:
            now = time.monotonic()
            heard = reader.append_bytes(content)
            for part in np.array_split(heard, max(1, len(heard) // FRAME)):
                seen.came_s.append(now)
                seen.loud.append(bool(len(part)) and float(np.abs(part).max()) > LOUD)
        elif kind == TEXT:
            seen.text += content.decode()
        elif kind == METADATA:
            seen.events += 1
        elif kind == ERROR:
            seen.refused = content.decode()


def answers(seen: Seen, ends_s: list[float], length_s: float) -> list[tuple[float, float]]:
    """Return for each question that was answered its latency as it was seen, and the model's own.

    The model's own is that of the streams: frame k of the answer belongs to frame k of the caller.
    As it was seen, a question ends when the frame in which it does has been sent, and the answer
    begins when the first frame with sound has come.
    """
    found = []
    rounds = round(len(seen.sent_s) * FRAME_S / length_s) + 1
    for end_s in (end + number * length_s for number in range(rounds) for end in ends_s):
        last = int(end_s / FRAME_S)
        quiet = round(QUIET_S / FRAME_S)
        until = min(len(seen.loud), len(seen.sent_s), last + round(PATIENCE_S / FRAME_S))
        first = next((k for k in range(last, until) if seen.loud[k]), None)
        if first is None or any(seen.loud[max(0, last - quiet) : last]):
            continue
        spoken_s = seen.sent_s[last] - ((last + 1) * FRAME_S - end_s)
        found.append((seen.came_s[first] - spoken_s, first * FRAME_S - end_s))
    return found


def main() -> None:
    url, wait_s, seconds = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
    folder = share_directory() / "config" / "demo"
    wave = read_wave(folder / "caller.wav")
    samples = to_mono(wave.samples)
    said = json.loads((folder / "caller.json").read_text())
    ends_s = [turn["end_s"] for turn in said if turn["kind"] == "question"]
    time.sleep(wait_s)
    seen = asyncio.run(call(url, samples, seconds))
    pairs = min(len(seen.came_s), len(seen.sent_s))
    both = zip(seen.came_s[:pairs], seen.sent_s[:pairs], strict=True)
    trips = [came - sent for came, sent in both]
    length_s = (len(samples) - FRAME) / RATE
    answered = answers(seen, ends_s, length_s)
    print(json.dumps({
        "refused": seen.refused, "sent": len(seen.sent_s), "came": len(seen.came_s),
        "trips_s": trips, "answers": answered, "text": seen.text, "events": seen.events,
    }))  # fmt: skip


if __name__ == "__main__":
    main()
