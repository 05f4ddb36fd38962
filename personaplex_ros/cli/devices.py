"""List the sound cards of this machine and try them."""

from __future__ import annotations

import argparse
import sys
import threading
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from personaplex_ros.audio import AudioChunk
from personaplex_ros.audio.devices import (
    DeviceInfo,
    SoundCardSink,
    SoundCardSource,
    list_devices,
    parse_device,
)
from personaplex_ros.audio.devices.card import USUAL_RATE
from personaplex_ros.audio.devices.level import Level
from personaplex_ros.audio.devices.tone import tone

UPDATE_S = 0.1
PLAIN_UPDATE_S = 1.0
EPILOG = """\
A card is meant by its number, its name, or words of its name, in any case and order:
  personaplex devices --test "usb pnp"                  speak, and see the level
  personaplex devices --tone hdmi                       hear a tone
  personaplex node --ros-args -p audio_source:="device:usb pnp" -p audio_sink:=device:hdmi
"""


SLOW_CARD_S = 5.0
"""What a card may take to begin to play."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EPILOG
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--test",
        nargs="?",
        const="",
        metavar="CARD",
        help="show how loud a microphone is, until Ctrl-C (default: the default card)",
    )
    what.add_argument(
        "--tone",
        nargs="?",
        const="",
        metavar="CARD",
        help="play a tone of a second on a loudspeaker (default: the default card)",
    )
    parser.add_argument(
        "--seconds", type=float, metavar="S", help="end --test after so long (default: Ctrl-C)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    if arguments.seconds is not None and not arguments.seconds > 0:
        raise ValueError(f"--seconds is {arguments.seconds}; it must be positive")
    if arguments.test is not None:
        return _show_level(parse_device(arguments.test), arguments.seconds)
    if arguments.tone is not None:
        return _play_tone(parse_device(arguments.tone))
    devices = list_devices()
    if not devices:
        raise RuntimeError(
            "this machine has no sound card that PortAudio sees. A card of ALSA is listed by "
            "'arecord -l' and 'aplay -l' (alsa-utils), and its user must be in the group audio; "
            "PulseAudio and PipeWire are reached through libasound2-plugins. Topics and files "
            "serve without a card"
        )
    print(table(devices))
    return 0


def table(devices: list[DeviceInfo]) -> str:
    """Return the cards as a table."""
    rows = [("", "card", "interface", "inputs", "outputs", "rate", "default")]
    for device in devices:
        defaults = [
            *(["microphone"] if device.default_input else []),
            *(["loudspeaker"] if device.default_output else []),
        ]
        rows.append(
            (
                str(device.index),
                device.name,
                device.interface,
                str(device.inputs),
                str(device.outputs),
                f"{device.rate} Hz",
                ", ".join(defaults),
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    ]
    return "\n".join(line.rstrip() for line in lines)


def _show_level(device: int | str | None, seconds: float | None) -> int:
    lock = threading.Lock()
    heard: list[Any] = []

    def take(chunk: AudioChunk) -> None:
        with lock:
            heard.append(chunk.samples)

    terminal = sys.stdout.isatty()
    source = SoundCardSource(take, device=device)
    print(f"{source.name}, {source.rate} Hz; Ctrl-C ends")
    source.start()
    end_s = None if seconds is None else time.monotonic() + seconds
    got = False
    try:
        while end_s is None or time.monotonic() < end_s:
            time.sleep(UPDATE_S if terminal else PLAIN_UPDATE_S)
            with lock:
                blocks, heard[:] = list(heard), []
            got = got or bool(blocks)
            _print(source, blocks, terminal)
    finally:
        source.stop()
        if terminal:
            print()
    if not got:
        raise RuntimeError(f"{source.name} gave no sound")
    return 0


def _print(source: SoundCardSource, blocks: list[Any], terminal: bool) -> None:
    if blocks:
        text = Level.of(np.concatenate(blocks)).line()
    else:
        text = source.problem or "no sound comes"
    # A line is overwritten in a terminal, and the rest of a longer one is cleared.
    print(f"\r{text}\x1b[K" if terminal else text, end="" if terminal else "\n", flush=True)


def _play_tone(device: int | str | None) -> int:
    seconds, played_s, until_ns = 1.0, 0.0, 0

    def played(samples: NDArray[np.float32], rate: int, play_ns: int) -> None:
        nonlocal played_s, until_ns
        if samples.any():
            played_s += len(samples) / rate
            until_ns = play_ns + round(len(samples) / rate * 1e9)

    sink = SoundCardSink(USUAL_RATE, device=device, buffer_s=2.0, on_played=played)
    print(f"{sink.name}, {sink.rate} Hz: a tone of {seconds:g} s")
    sink.start()
    try:
        sink.write(tone(USUAL_RATE, seconds))
        deadline = time.monotonic() + seconds + SLOW_CARD_S
        while played_s < 0.9 * seconds and not sink.problem and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(max(0.0, until_ns / 1e9 - time.time()) + 0.5)
        if sink.problem:
            raise RuntimeError(sink.problem)
    finally:
        sink.stop()
    return 0
