"""The node at one end of a bad line, the demo's caller at the other: what comes of their talk.

usage: python benchmarks/network_talk.py [--seeds 0 1] [--loss 0.05] [--json FILE]

Needs root and the command ip (`network_line.py`). The node with nano runs in one network namespace,
the caller in another; the line delays each packet by 50 +- 30 ms and loses some. For each way to
set the node it prints which of the caller's three questions got the right answer in the robot's
words, how much of the robot's speech arrived, and when: the time from the end of the microphone's
frame that it answers until it arrived. It needs a calm machine: nano runs in real time.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from network import ANSWERS, JITTER
from network_ends import DOMAIN, RATE, START_S, caller
from network_line import Line, LineQuality, dds_environment, inside
from network_rows import add_options, tell

from personaplex_ros.demo import Player
from personaplex_ros.node.dds.bus import DdsBus
from personaplex_ros.node.hosts.bus import RELIABLE
from personaplex_ros.node.hosts.messages import time_ns
from personaplex_ros.resources import share_directory

WAYS = {
    "clean line": ("", "best_effort", "conceal"),
    "as before": ("bad", "best_effort", "silence"),
    "best effort, concealed": ("bad", "best_effort", "conceal"),
    "reliable": ("bad", "reliable", "conceal"),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_options(parser, seeds=[0, 1])
    parser.add_argument("--loss", type=float, default=0.05)
    parser.add_argument("--call", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.call:
        return call(arguments.call)
    return tell(rows(arguments), arguments.json)


def rows(arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yield what becomes of each conversation."""
    for way, (line, reliability, lost_audio) in WAYS.items():
        for seed in arguments.seeds:
            quality = LineQuality(**JITTER, loss=arguments.loss) if line else LineQuality()
            parameters = {
                "seed": seed, "audio_in_reliability": reliability, "lost_audio": lost_audio,
                "network_delay_max_s": 0.0 if lost_audio == "silence" else 0.2,
            }  # fmt: skip
            yield {"way": way, "seed": seed, **talk(quality, parameters)}


def talk(quality: LineQuality, parameters: dict[str, object]) -> dict[str, Any]:
    """Hold one conversation over a line; return what the caller and the node know of it."""
    with tempfile.TemporaryDirectory() as folder, Line(quality) as line:
        file = Path(folder) / "heard.json"
        command = [
            sys.executable,
            "-m",
            "personaplex_ros",
            "node",
            "--end-with-stdin",
            "--ros-args",
        ]
        for name, value in parameters.items():
            command += ["-p", f"{name}:={value}"]
        environment = dds_environment(DOMAIN)
        node = subprocess.Popen(
            inside(line.left, *command), env=environment, stdin=subprocess.PIPE, stderr=sys.stderr
        )
        try:
            other = inside(line.right, sys.executable, __file__, "--call", str(file))
            subprocess.run(other, env=environment, check=True, timeout=300)
        finally:
            node.terminate()
            node.wait(20)
        return dict(json.loads(file.read_text()))


def call(file: Path) -> int:
    """Speak to the node and write down what comes."""
    bus = DdsBus("caller")
    pieces: list[tuple[int, str]] = []
    late: list[float] = []
    samples = 0
    values: dict[str, str] = {}

    def on_text(message: Any, _: str) -> None:
        pieces.append((time_ns(message.header.stamp), message.text))

    def on_speech(message: Any, _: str) -> None:
        nonlocal samples
        samples += len(message.data)
        late.append((time.time_ns() - time_ns(message.header.stamp)) / 1e9)

    def on_diagnostics(message: Any, _: str) -> None:
        for status in message.status:
            values.update({value.key: value.value for value in status.values})

    own = "personaplex_ros/msg/"
    bus.subscribe("text", own + "TextToken", RELIABLE, on_text)
    bus.subscribe("audio_out", own + "AudioFrame", RELIABLE, on_speech)
    bus.subscribe("/diagnostics", "diagnostic_msgs/msg/DiagnosticArray", RELIABLE, on_diagnostics)
    deadline = time.monotonic() + START_S
    while values.get("state") != "active" and time.monotonic() < deadline:
        time.sleep(0.2)
    speech = caller(share_directory() / "config" / "demo" / "caller.wav")
    player = Player(bus)
    player.wait_for_listener(START_S)
    start_ns = bus.now_ns() + 10**9
    samples = 0
    late.clear()
    player.play(speech, RATE, start_ns)
    time.sleep(2.0)
    text = "".join(
        piece for _, piece in sorted(piece for piece in pieces if piece[0] >= start_ns)
    ).lower()
    right = sum(answer in text for answer in ANSWERS)
    told = ("gaps", "concealed samples", "late samples", "spread ms", "filled frames",
            "skipped frames", "late frames")  # fmt: skip
    result = {
        "right": right,
        "of": len(ANSWERS),
        "speech_s": round(samples / RATE, 2),
        "late_p50_s": round(float(np.percentile(late, 50)), 3),
        "late_p99_s": round(float(np.percentile(late, 99)), 3),
        "text": text,
        **{name: values.get(name, "") for name in told},
    }
    file.write_text(json.dumps(result))
    bus.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
