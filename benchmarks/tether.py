"""A robot tied to a server over a bad line: its conversation, its delays, and how soon it stands.

usage: python benchmarks/tether.py [--lines NAME ...] [--seeds 0] [--empty MS] [--json FILE]

Needs root and the command ip (`network_line.py`). `personaplex serve` with nano runs in one network
namespace; in the other `personaplex simulate --engine` holds the demo's conversation with a
patrolling robot. Between them is a line that delays each packet and loses some, as `tc netem` does.
It prints which of the caller's three questions got the right answer, what /diagnostics told of the
tether at the end, and how long after the onset of an interruption, and after motion_hold, the robot
stood. It needs a calm machine: nano runs in real time; how many of the server's frames took longer
than they last, or were dropped, tells whether it was one.

With --empty the server's model is one that sleeps so long for each frame (`serve_load.py`), and a
session pushes silence for a minute: what is left is the line's and the tether's own.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import IO, Any

import numpy as np
from network import ANSWERS
from network_ends import DOMAIN, START_S
from network_line import Line, LineQuality, dds_environment, inside
from network_rows import add_options, tell

from personaplex_ros.files import write_whole

LINES = {
    "no line": LineQuality(),
    "50 +- 20 ms": LineQuality(delay_s=0.05, jitter_s=0.02),
    "50 +- 20 ms, 1 % lost": LineQuality(delay_s=0.05, jitter_s=0.02, loss=0.01),
    "50 +- 20 ms, 5 % lost": LineQuality(delay_s=0.05, jitter_s=0.02, loss=0.05),
}
SERVER, PORT = "10.77.0.2", 8998
PATIENCE_S, PUSH_S, FRAME_S = 300.0, 60.0, 0.08
TOLD = (
    "end to end delay", "answer after", "waits to be even", "round trip", "connections", "losses",
    "ran dry", "late speech", "dropped speech", "shortened pauses", "not sent", "damaged",
)  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lines", nargs="+", choices=LINES, default=list(LINES)[::2])
    add_options(parser, seeds=[0])
    parser.add_argument("--empty", type=float, metavar="MS")
    parser.add_argument("--push", help=argparse.SUPPRESS)
    parser.add_argument("--listen", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.listen:
        return listen(arguments.listen)
    if arguments.push:
        return push(arguments.push)
    return tell(rows(arguments), arguments.json)


def rows(arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yield what becomes of each conversation."""
    for name in arguments.lines:
        for seed in arguments.seeds:
            quality, empty_ms = LINES[name], arguments.empty
            found = talk(quality, seed) if empty_ms is None else delays(quality, empty_ms)
            yield {"line": name, "seed": seed, **found}


def talk(quality: LineQuality, seed: int) -> dict[str, Any]:
    """Hold one conversation over a line; return what became of it."""
    environment = dds_environment(DOMAIN)
    with tempfile.TemporaryDirectory() as name, Line(quality) as line, ExitStack() as open_:
        folder = Path(name)
        told, output = folder / "tether.json", folder / "simulation"
        log = open_.enter_context((folder / "server.log").open("w+"))
        with (
            Running(
                inside(line.right, *python("serve", "--host", SERVER, "--port", str(PORT))), log=log
            ),
            Running(
                inside(line.left, sys.executable, __file__, "--listen", str(told)), environment
            ),
        ):
            engine = ("--engine", f"ws://{SERVER}:{PORT}", "--seed", str(seed))
            words = (*engine, "--domain", str(DOMAIN), "--output", str(output))
            command = inside(line.left, *python("simulate", *words))
            done = subprocess.run(
                command, env=environment, timeout=PATIENCE_S, capture_output=True, text=True
            )
            if done.returncode:
                raise RuntimeError(f"the simulation failed: {done.stdout}{done.stderr}")
        said = (output / "transcript.txt").read_text().lower()
        stops = json.loads((output / "summary.json").read_text())["stops"]
        values = json.loads(told.read_text())
        log.seek(0)
        frames = re.findall(r"frames: (\d+), late (\d+), heard but dropped (\d+)", log.read())
        return {
            "right": sum(answer in said for answer in ANSWERS),
            "of": len(ANSWERS),
            "stops": [
                {key: round(stop[key], 3) for key in stop if key.endswith("_to_stopped_s")}
                for stop in stops
            ],
            "server's frames, late, dropped": [int(count) for count in frames[-1]],
            "packets lost": line.lost,
            "packets": line.passed + line.lost,
            **{name: values.get(name, "") for name in TOLD},
        }


def delays(quality: LineQuality, frame_ms: float) -> dict[str, Any]:
    """Return what the tether measures over a line to a server whose model sleeps."""
    load = str(Path(__file__).with_name("serve_load.py"))
    with Line(quality) as line:
        words = ("--empty", str(frame_ms), "--serve-empty", "1", "--host", SERVER)
        with Running(inside(line.right, sys.executable, load, *words)) as server:
            url = f"ws://{SERVER}:{server.port}"
            command = inside(line.left, sys.executable, __file__, "--push", url)
            done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
            if done.returncode:
                raise RuntimeError(f"nothing was pushed: {done.stdout}{done.stderr}")
        return dict(json.loads(done.stdout.splitlines()[-1]))


def push(url: str) -> int:
    """Push silence to a server, and print what the tether has measured by the end."""
    from personaplex_ros.persona import Persona
    from personaplex_ros.tether import Tether, TetherEngine, read_address

    engine = TetherEngine(read_address(url), Tether())
    session = engine.open(engine.prepare(Persona("nobody")))
    frame, due_s = np.zeros(engine.frame_size, np.float32), time.monotonic()
    seen = []
    for number in range(round(PUSH_S / FRAME_S)):
        session.push(frame)
        if number % 12 == 11:
            seen.append(session.snapshot())
        due_s += FRAME_S
        time.sleep(max(0.0, due_s - time.monotonic()))
    last = seen[-1]
    row = {
        f"{name} ms": round(1e3 * float(np.median([getattr(s, f"{name}_s") or 0.0 for s in seen])))
        for name in ("answer", "waiting", "round_trip")
    }
    row |= {"ran dry": last.ran_dry, "late s": round(last.down_missing_s, 2)}
    print(json.dumps({**row, "connections": last.connections}))
    session.close()
    return 0


def python(*words: str) -> tuple[str, ...]:
    """Return a command of this package."""
    return (sys.executable, "-m", "personaplex_ros", *words)


class Running(AbstractContextManager["Running"]):
    """A program until the block ends, from its first line on, which may name a port."""

    def __init__(
        self,
        command: list[str],
        environment: dict[str, str] | None = None,
        log: int | IO[str] = subprocess.DEVNULL,
    ) -> None:
        self._process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=log, text=True
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{' '.join(command)} has ended with {self._process.wait()}")
        found = re.search(r":(\d+)/", line)
        self.port = int(found[1]) if found else 0

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(20)


def listen(file: Path) -> int:
    """Write down what the node tells of its tether, as often as it does."""
    from personaplex_ros.node.dds.bus import DdsBus
    from personaplex_ros.node.hosts.bus import RELIABLE

    bus = DdsBus("listener")

    def take(message: Any, _: str) -> None:
        for status in message.status:
            if status.name.endswith("tether"):
                values = {pair.key: pair.value for pair in status.values}
                if values["state"] == "talking":
                    text = json.dumps(values)
                    write_whole(file, lambda path, text=text: path.write_text(text))

    bus.subscribe("/diagnostics", "diagnostic_msgs/msg/DiagnosticArray", RELIABLE, take)
    print("listening", flush=True)
    time.sleep(START_S + PATIENCE_S)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
