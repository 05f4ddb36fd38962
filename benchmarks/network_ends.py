"""The programs at both ends of a bad line: a microphone that plays a recording, and a listener."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from network_line import dds_environment, inside

from personaplex_ros.audio import AudioChunk, read_wave, resample, to_mono

RATE = 24_000
DOMAIN = 78
START_S = 120.0
IDLE_S = 3.0
"""Time without a message after which a recording has come."""


@contextmanager
def started(namespace: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run this program with arguments in a namespace."""
    command = inside(namespace, sys.executable, __file__, *arguments)
    process = subprocess.Popen(command, env=dds_environment(DOMAIN))
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def caller(wave: Path) -> np.ndarray:
    """Return a recording as float32 [n] at 24 kHz."""
    content = read_wave(wave)
    return resample(to_mono(content.samples), content.rate, RATE)


def listen(file: Path, reliable: bool) -> int:
    """Write down all messages of audio_in with their times, until none comes any more."""
    from personaplex_ros.node.dds.bus import DdsBus
    from personaplex_ros.node.hosts.bus import Qos
    from personaplex_ros.node.sound.reading import read_audio
    from personaplex_ros.node.sound.types import AUDIO_FRAME

    arrivals: list[tuple[int, AudioChunk]] = []
    bus = DdsBus("listener")

    def take(message: object, publisher: str) -> None:
        arrivals.append((time.time_ns(), read_audio(AUDIO_FRAME, message, publisher, None)))

    bus.subscribe("audio_in", AUDIO_FRAME, Qos(reliable, False, 50), take)
    deadline = time.monotonic() + 2 * START_S
    while time.monotonic() < deadline:
        time.sleep(0.2)
        if arrivals and time.time_ns() > arrivals[-1][0] + IDLE_S * 1e9:
            break
    bus.close()
    table, begin = [], 0
    for at_ns, chunk in arrivals:
        table.append((at_ns, chunk.stamp_ns, chunk.first_sample, begin, begin + chunk.frames))
        begin += chunk.frames
    samples = np.concatenate([chunk.samples for _, chunk in arrivals])
    np.savez(file, table=np.array(table, np.int64), samples=samples)
    return 0


def play(wave: Path) -> int:
    """Publish a recording on audio_in at its pace."""
    from personaplex_ros.demo import Player
    from personaplex_ros.node.dds.bus import DdsBus

    bus = DdsBus("microphone")
    player = Player(bus)
    player.wait_for_listener(START_S)
    player.play(caller(wave), RATE, bus.now_ns() + 10**9)
    time.sleep(1.0)  # for what has to be sent again
    bus.close()
    return 0


if __name__ == "__main__":
    role, path, *rest = sys.argv[1:]
    raise SystemExit(
        play(Path(path)) if role == "play" else listen(Path(path), rest == ["reliable"])
    )
