"""A robot tied to a server over a bad line: its conversation, its delays, and how soon it stands.

usage: python benchmarks/tether.py [--lines NAME ...] [--seeds 0] [--json FILE]

Needs root and the command ip (`network_line.py`). `personaplex serve` with nano runs in one network
namespace; in the other `personaplex simulate --engine` holds the demo's conversation with a
patrolling robot. Between them is a line that delays each packet and loses some, as `tc netem` does.
It prints which of the caller's three questions got the right answer, what /diagnostics told of the
tether at the end, and how long after the onset of an interruption, and after motion_hold, the robot
stood. It needs a calm machine: nano runs in real time.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from network import ANSWERS
from network_ends import DOMAIN, START_S
from network_line import Line, LineQuality, dds_environment, inside, why_not

from personaplex_ros.files import write_whole

LINES = {
    "no line": LineQuality(),
    "50 +- 20 ms": LineQuality(delay_s=0.05, jitter_s=0.02),
    "50 +- 20 ms, 1 % lost": LineQuality(delay_s=0.05, jitter_s=0.02, loss=0.01),
    "50 +- 20 ms, 5 % lost": LineQuality(delay_s=0.05, jitter_s=0.02, loss=0.05),
}
SERVER, PORT = "10.77.0.2", 8998
PATIENCE_S = 300.0
TOLD = (
    "end to end delay", "answer after", "waits to be even", "round trip", "connections", "losses",
    "ran dry", "late speech", "dropped speech", "shortened pauses", "not sent", "damaged",
)  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lines", nargs="+", choices=LINES, default=list(LINES)[::2])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--listen", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.listen:
        return listen(arguments.listen)
    if problem := why_not():
        print(f"no line can be made here: {problem}")
        return 1
    rows = []
    for name in arguments.lines:
        for seed in arguments.seeds:
            row = {"line": name, "seed": seed, **talk(LINES[name], seed)}
            rows.append(row)
            print(json.dumps(row), flush=True)
    if arguments.json:
        text = json.dumps(rows, indent=1) + "\n"
        write_whole(arguments.json, lambda path: path.write_text(text, encoding="utf-8"))
    return 0


def talk(quality: LineQuality, seed: int) -> dict[str, Any]:
    """Hold one conversation over a line; return what became of it."""
    environment = dds_environment(DOMAIN)
    with tempfile.TemporaryDirectory() as name, Line(quality) as line:
        folder = Path(name)
        told, output = folder / "tether.json", folder / "simulation"
        with (
            running(inside(line.right, *python("serve", "--host", SERVER, "--port", str(PORT)))),
            running(
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
        return {
            "right": sum(answer in said for answer in ANSWERS),
            "of": len(ANSWERS),
            "stops": [
                {key: round(stop[key], 3) for key in stop if key.endswith("_to_stopped_s")}
                for stop in stops
            ],
            "packets lost": line.lost,
            "packets": line.passed + line.lost,
            **{name: values.get(name, "") for name in TOLD},
        }


def python(*words: str) -> tuple[str, ...]:
    """Return a command of this package."""
    return (sys.executable, "-m", "personaplex_ros", *words)


@contextmanager
def running(
    command: list[str], environment: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program until the block ends; waits until it has said its first line."""
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        assert process.stdout is not None
        if not process.stdout.readline():
            raise RuntimeError(f"{' '.join(command)} has ended with {process.wait()}")
        yield process
    finally:
        process.terminate()
        process.wait(20)


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
