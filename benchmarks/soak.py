"""Whether a long conversation keeps memory flat, and tells every late frame and lost sample.

usage: python benchmarks/soak.py [--minutes 30] [--fast] [--checkpoint nano] [--json FILE]

The node runs in its own process; a caller speaks to it over DDS again and again and leaves out one
message of 20 ms in `--lose`. With `--fast` the next frame is sent as soon as the last but one was
answered, so that 12 hours take as long as the machine needs for their frames; stamps go on as the
microphone's would. `--checkpoint random` is one of random weights whose frames cost next to
nothing, so that the node's own work is what is seen.

Memory is read from the system, the node's counters from /diagnostics. The exit status is 1 when
memory grew by more than 1 % after the first hour (or the first half of a shorter run), when samples
were neither heard nor concealed nor reported, or when the robot fell silent.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from random_models import write_random_checkpoint

from personaplex_ros.audio import read_wave, resample, to_mono
from personaplex_ros.demo import Player, choose_graph, node_process, wait_until_active
from personaplex_ros.node.dds.bus import DdsBus
from personaplex_ros.node.hosts.bus import RELIABLE
from personaplex_ros.node.hosts.messages import NS_PER_S, time_ns
from personaplex_ros.node.sound.types import AUDIO_FRAME
from personaplex_ros.node.sound.writing import AudioWriter
from personaplex_ros.resources import share_directory

RATE, FRAME = 24_000, 1920  # of the published models
FRAME_S = FRAME / RATE
CHUNKS = 4  # messages a frame
AHEAD = 3  # frames that may wait for their answer
START_S, SETTLED_S = 180.0, 3600.0
ANSWER_S = 60.0  # longest wait for an answer
ALLOWED_GROWTH = 1.01
PARAMETERS = {"seed": 0, "max_model_restarts": 0}
# The caller waits for answers, not for the clock: only a caller that stands still is late.
FAST = {"late_audio_timeout_s": 2.0}


@dataclass
class Heard:
    """What the node sends, as it comes."""

    start_ns: int = 0  # stamp of the first frame
    newest: int = 0  # frame that was answered
    answers: int = 0  # to the caller's frames
    events: int = 0
    loudest: int = 0  # since it was last looked at
    slow: int = 0  # answers that came later than a frame's length after the frame was sent
    sent_at: dict[int, float] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)  # of /diagnostics, as "task: key"
    active: threading.Event = field(default_factory=threading.Event)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def listen(self, bus: DdsBus) -> None:
        """Subscribe to all that is looked at."""
        bus.subscribe("audio_out", AUDIO_FRAME, RELIABLE, self._speech)
        bus.subscribe("turn_event", "personaplex_ros/msg/TurnEvent", RELIABLE, self._event)
        bus.subscribe(
            "/diagnostics", "diagnostic_msgs/msg/DiagnosticArray", RELIABLE, self._diagnosis
        )

    def wait_for(self, frame: int) -> None:
        """Wait for the answer to a frame. Raises RuntimeError when it does not come."""
        with self.changed:
            if not self.changed.wait_for(lambda: self.newest >= frame, ANSWER_S):
                raise RuntimeError(f"frame {frame} was not answered within {ANSWER_S:g} s")

    def _speech(self, message: Any, _: str) -> None:
        now = time.perf_counter()
        # What answers a frame is to be heard when that has ended.
        frame = round((time_ns(message.header.stamp) - self.start_ns) / (FRAME_S * NS_PER_S))
        sent_at = self.sent_at.pop(frame, None)
        if sent_at is not None:
            with self.changed:
                self.answers += 1
                self.newest = frame
                self.slow += now - sent_at > FRAME_S
                self.loudest = max(self.loudest, int(np.abs(message.data.astype(int)).max()))
                self.changed.notify()

    def _event(self, message: Any, _: str) -> None:
        self.events += 1

    def _diagnosis(self, message: Any, _: str) -> None:
        for status in message.status:
            task = status.name.partition(": ")[2]
            self.values.update({f"{task}: {value.key}": value.value for value in status.values})
        if self.values.get("conversation: state") == "active":
            self.active.set()


@dataclass
class Caller:
    """Speaks a recording again and again; counts what it sends and what it leaves out."""

    bus: DdsBus
    heard: Heard
    samples: np.ndarray
    lose: int
    fast: bool
    frames: int = 0
    lost: int = 0

    def speak(self, frames: int) -> None:
        """Send so many frames."""
        player = Player(self.bus)
        player.wait_for_listener(START_S)
        writer = AudioWriter(self.bus, AUDIO_FRAME, RATE, "microphone")
        size = FRAME // CHUNKS
        start_ns = self.heard.start_ns = self.bus.now_ns()
        number = 0
        for self.frames in range(1, frames + 1):
            for _ in range(CHUNKS):
                first = number * size
                stamp_ns = start_ns + first * NS_PER_S // RATE
                number += 1
                if not self.fast:
                    due_ns = start_ns + number * size * NS_PER_S // RATE
                    time.sleep(max(0.0, (due_ns - self.bus.now_ns()) / NS_PER_S))
                if number % CHUNKS == 0:
                    self.heard.sent_at[self.frames] = time.perf_counter()
                if self.lose and number % self.lose == 0 and self.frames < frames:
                    self.lost += 1
                    continue
                chunk = self.samples.take(range(first, first + size), mode="wrap")
                player.send(writer.message(chunk, first, stamp_ns))
            if self.fast:
                self.heard.wait_for(self.frames - AHEAD)
            elif len(self.heard.sent_at) > 1000:
                raise RuntimeError("the node does not answer any more")


@dataclass(frozen=True)
class Row:
    """What was seen at a time of the conversation."""

    minute: float
    real_minute: float
    mib: float
    loudest: int
    events: int
    late: int
    slow: int


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30.0, help="length of the conversation")
    parser.add_argument("--fast", action="store_true", help="as fast as the node answers")
    parser.add_argument("--checkpoint", default="nano", help="a folder, nano or random")
    parser.add_argument("--lose", type=int, default=997, help="leave out one message in so many")
    parser.add_argument("--every", type=float, default=5.0, help="minutes between two rows")
    parser.add_argument("--json", type=Path, help="write the figures into a file")
    arguments = parser.parse_args()
    wave = read_wave(share_directory() / "config" / "demo" / "caller.wav")
    rows: list[Row] = []
    with running(arguments) as node:
        bus, heard = DdsBus("soak"), Heard()
        heard.listen(bus)
        wait_until_active(node, heard.active, START_S)
        speech = resample(to_mono(wave.samples), wave.rate, RATE)
        caller = Caller(bus, heard, speech, arguments.lose, arguments.fast)
        rows = watch(caller, psutil.Process(node.pid), arguments.minutes, arguments.every)
        heard.wait_for(caller.frames)
        time.sleep(3.0)  # diagnostics come every second
        values = dict(heard.values)
        bus.close()
    account = balance(caller, values)
    grown = growth(rows)
    print(f"memory after {settled(rows).minute:.0f} min {settled(rows).mib:.1f} MiB, at the end "
          f"{rows[-1].mib:.1f} MiB: {100 * (grown - 1):+.2f} %")  # fmt: skip
    print(", ".join(f"{name} {count}" for name, count in account.items()))
    if arguments.json:
        content = {"rows": [vars(row) for row in rows], "account": account, "diagnostics": values}
        arguments.json.write_text(json.dumps(content, indent=1))
    silent = any(row.loudest == 0 for row in rows)
    return int(grown > ALLOWED_GROWTH or abs(account["unaccounted"]) >= FRAME or silent)


@contextmanager
def running(arguments: argparse.Namespace) -> Iterator[Any]:
    """Run the node with the chosen checkpoint."""
    with tempfile.TemporaryDirectory() as folder:
        parameters: dict[str, object] = {**PARAMETERS, **(FAST if arguments.fast else {})}
        parameters["checkpoint"] = arguments.checkpoint
        if arguments.checkpoint == "random":
            parameters["checkpoint"] = write_random_checkpoint(Path(folder))
            parameters |= {"persona": write_persona(Path(folder))}
        with node_process(parameters, choose_graph(None)) as node:
            yield node


def write_persona(folder: Path) -> Path:
    """Write a persona without a voice: nano's voices are of other sizes."""
    path = folder / "somebody.yaml"
    path.write_text("name: somebody\ntext_prompt: You are kind.\n")
    return path


def watch(caller: Caller, process: psutil.Process, minutes: float, every: float) -> list[Row]:
    """Let the caller speak and print a row now and then."""
    errors: list[BaseException] = []

    def speak() -> None:
        try:
            caller.speak(round(minutes * 60 / FRAME_S))
        except BaseException as error:
            errors.append(error)

    talk = threading.Thread(target=speak, daemon=True)
    began, rows, heard = time.monotonic(), [], caller.heard
    names = ("minute", "real minute", "MiB", "loudest", "events", "late", "slow")
    print("".join(f"{name:>12}" for name in names), flush=True)
    talk.start()
    due = every
    while talk.is_alive():
        talk.join(0.5)
        minute = caller.frames * FRAME_S / 60
        if minute >= due or not talk.is_alive():
            due += every
            late = int(heard.values.get("model: late frames", 0))
            loudest, heard.loudest = heard.loudest, 0
            real = (time.monotonic() - began) / 60
            mib = process.memory_info().rss / 2**20
            rows.append(Row(minute, real, mib, loudest, heard.events, late, heard.slow))
            cells = (
                f"{v:.1f}" if isinstance(v, float) else str(v) for v in vars(rows[-1]).values()
            )
            print("".join(f"{cell:>12}" for cell in cells), flush=True)
    if errors:
        raise errors[0]
    return rows


def cell(value: float) -> str:
    return f"{value:>12.1f}" if isinstance(value, float) else f"{value:>12}"


def settled(rows: list[Row]) -> Row:
    """Return the row from which on memory must be flat."""
    after = min(SETTLED_S / 60, rows[-1].minute / 2)
    return next(row for row in rows if row.minute >= after)


def growth(rows: list[Row]) -> float:
    return rows[-1].mib / settled(rows).mib


def balance(caller: Caller, values: dict[str, str]) -> dict[str, int]:
    """Return what became of all samples, at the model's rate."""

    def count(key: str) -> int:
        return int(values[f"microphone: {key}"])

    sent = caller.frames * FRAME
    concealed, skipped = count("gap samples"), count("skipped frames") * FRAME
    reported = skipped + count("late samples") + count("discarded samples")
    taken = count("frames") * FRAME  # concealed ones and those skipped later included
    return {
        "samples": sent,
        "left out": caller.lost * FRAME // CHUNKS,
        "concealed": concealed,
        "heard": taken - concealed - skipped,
        "reported": reported,
        "unaccounted": sent - taken - count("late samples") - count("discarded samples"),
        "frames of silence put in": count("filled frames"),
        "frames": caller.frames,
        "frames answered": caller.heard.answers,
        "late frames told": int(values["model: late frames"]),
        "answers slower than a frame here": caller.heard.slow,
    }


if __name__ == "__main__":
    sys.exit(main())
