"""The client of the `moshi` package as it is, with a file for a microphone: prints what it hears.

usage: moshi_client_peer.py URL CALLER.wav SECONDS ANSWER.wav. Only its sound card is another:
streams that call it back with frames of the file and keep what they are given to play.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from typing import Any
from unittest import mock

import numpy as np

from personaplex_ros.audio import read_wave, resample, to_mono, write_wave

RATE = 24_000


class Stream:
    """A stream of a sound card, whose thread calls back once a block."""

    def __init__(self, samplerate: int, channels: int, blocksize: int, callback: Any) -> None:
        self._block, self._callback = blocksize, callback
        self._period_s = blocksize / samplerate
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Stream:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        due_s = time.monotonic()
        while not self._stop.is_set():
            self.block()
            due_s += self._period_s
            time.sleep(max(0.0, due_s - time.monotonic()))

    def block(self) -> None:
        """Call back for one block."""


class Microphone(Stream):
    """Plays the file, then silence."""

    samples = np.zeros(0, np.float32)

    def block(self) -> None:
        """Let the client hear the next of it."""
        part, Microphone.samples = self.samples[: self._block], self.samples[self._block :]
        frame = np.pad(part, (0, self._block - len(part)))[:, None]
        self._callback(frame, self._block, None, None)


class Loudspeaker(Stream):
    """Keeps what it plays."""

    played: list[np.ndarray] = []  # noqa: RUF012

    def block(self) -> None:
        """Take what the client plays."""
        out = np.zeros((self._block, 1), np.float32)
        self._callback(out, self._block, None, None)
        self.played.append(out[:, 0])


async def talk(url: str, seconds: float) -> None:
    """Let the client talk for so long."""
    from moshi import client
    from moshi.client_utils import RawPrinter

    arguments = mock.Mock(url=url)
    try:
        await asyncio.wait_for(client.run(RawPrinter(), arguments), seconds)
    except asyncio.TimeoutError:
        pass


def main() -> None:
    """Talk as the file, and write what was heard."""
    url, caller, seconds, answer = sys.argv[1:]
    wave = read_wave(caller)
    Microphone.samples = resample(to_mono(wave.samples), wave.rate, RATE)
    with mock.patch.multiple("sounddevice", InputStream=Microphone, OutputStream=Loudspeaker):
        asyncio.run(talk(url, float(seconds)))
    write_wave(answer, np.concatenate(Loudspeaker.played), RATE)


if __name__ == "__main__":
    main()
