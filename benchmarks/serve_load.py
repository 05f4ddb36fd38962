"""How many callers a server holds, and what it adds to the model.

``python benchmarks/serve_load.py [--checkpoint nano] [--callers 1 2 3 4] [--seconds 24]`` starts
`personaplex serve` for each number of callers, and as many processes (`serve_client.py`) that play
the demo's caller at its own pace. It prints the time of a frame in the engine, frames that were
late, refusals, the way of a frame over the wire and back, and how long callers wait for an answer:
as they see it, and by the model's own count, which knows no network and no clock.

With ``--empty MS`` the model is one that sleeps so long for each frame, as the processor does while
a GPU works; what remains is the server's own. Aim: at most 3 ms at the 99th percentile.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

CLIENT = Path(__file__).parent / "serve_client.py"
RATE, FRAME = 24_000, 1920
STAGGER_S = 0.31
"""Between the callers' begins, so that they are not in step."""
GOAL_MS = 3.0
FRAME_MS = 80.0


class EmptyEngine:
    """An engine whose frames take so long, without any work, and say nothing."""

    sample_rate, frame_size, frame_rate = RATE, FRAME, 12.5
    takes_persona = True
    voice_folders: list[Path] = []  # noqa: RUF012

    def __init__(self, slots: int, frame_s: float) -> None:
        self._frame_s = frame_s
        self.warm_frames = dict.fromkeys(range(1, slots + 1), frame_s)

    def prepare(self, persona: Any) -> Any:
        """Return what stands for it."""
        return persona

    def open(self, persona: Any, sampling: Any = None, seed: int = 0) -> Any:
        """Return a session."""
        session = SimpleNamespace(slot=0, close=lambda: None)
        return _Hashable(session)

    def check(self, session: Any, frame: np.ndarray) -> None:
        """Take every frame."""

    def rows_with(self, sessions: int) -> int:
        """Return as many."""
        return sessions

    def step(self, frames: dict[Any, np.ndarray]) -> dict[Any, Any]:
        """Sleep, and say nothing."""
        from personaplex_ros.engine import StepResult, StepTiming

        time.sleep(self._frame_s)
        timing = StepTiming(0.0, 0.0, 0.0, 0.0, self._frame_s)
        silence = np.zeros(FRAME, np.float32)
        result = StepResult(0, silence, 3, "", "PAD", np.zeros(8, np.int64), timing)
        return dict.fromkeys(frames, result)


class _Hashable:
    """A session of the empty engine."""

    slot = 0

    def __init__(self, session: Any) -> None:
        self.close = session.close


def serve_empty(slots: int, frame_ms: float, host: str) -> None:
    """Serve the empty engine, as `personaplex serve` does its own."""
    from personaplex_ros.engine import Persona, Sampling
    from personaplex_ros.server.app import make_app
    from personaplex_ros.server.door import Door
    from personaplex_ros.server.limits import Limits
    from personaplex_ros.server.metrics import Metrics
    from personaplex_ros.server.model import Model
    from personaplex_ros.server.running import Listener, Place, run
    from personaplex_ros.server.sessions import Sessions

    engine: Any = EmptyEngine(slots, frame_ms / 1e3)
    model = Model(engine, slots, Persona("nobody"), 1.0)

    async def serve() -> None:
        limits, metrics = Limits(), Metrics()
        sessions = Sessions(model, limits, metrics)
        app = make_app(sessions, Door([], [], metrics), Sampling())
        listener = Listener(app, limits, metrics)
        place = Place(host, 0)
        listening = "listening at ws://127.0.0.1:{}/api/chat,"
        await run(sessions, listener, place, 0.0, lambda port: print(listening.format(port),
                                                                    flush=True))  # fmt: skip

    asyncio.run(serve())


def quantile_ms(metrics: str, name: str, share: float) -> float:
    """Return a quantile of a histogram, linearly within its bucket."""
    found = re.findall(rf'^{name}_bucket{{le="([^"]+)"}} (\S+)', metrics, re.MULTILINE)
    edges = [(float(edge), float(count)) for edge, count in found]
    total = edges[-1][1]
    low, below = 0.0, 0.0
    for edge, count in edges:
        if count >= share * total and total:
            inside = (share * total - below) / max(1.0, count - below)
            return 1e3 * (low if edge == float("inf") else low + inside * (edge - low))
        low, below = edge, count
    return float("nan")


def value(metrics: str, name: str) -> float:
    """Return the sum of a counter."""
    return sum(float(v) for v in re.findall(rf"^{name}(?:{{.*}})? (\S+)", metrics, re.MULTILINE))


def measure(server: list[str], callers: int, seconds: float) -> dict[str, Any]:
    """Let so many callers talk with a server; returns what was seen."""
    child = subprocess.Popen(server, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert child.stdout is not None
    try:
        line = child.stdout.readline()
        url = line.split()[2].rstrip(",")
        clients = [
            subprocess.Popen(
                [sys.executable, str(CLIENT), url, str(3.0 + STAGGER_S * n), str(seconds)],
                stdout=subprocess.PIPE,
                text=True,
            )
            for n in range(callers)
        ]
        seen = [json.loads(client.communicate()[0]) for client in clients]
        address = url.replace("ws://", "http://").replace("/api/chat", "/metrics")
        metrics = urllib.request.urlopen(address).read().decode()
    finally:
        child.terminate()
        child.wait(30)
    trips = np.array([trip for one in seen for trip in one["trips_s"]]) * 1e3
    answers = np.array([pair for one in seen for pair in one["answers"]]).reshape(-1, 2)
    return {
        "callers": callers,
        "refused": sum(bool(one["refused"]) for one in seen),
        "frame_ms": [quantile_ms(metrics, "personaplex_frame_seconds", q) for q in (0.5, 0.99)],
        "own_ms": [quantile_ms(metrics, "personaplex_own_seconds", q) for q in (0.5, 0.99)],
        "late": value(metrics, "personaplex_late_frames_total"),
        "frames": value(metrics, "personaplex_frame_seconds_count"),
        "dropped": value(metrics, "personaplex_frames_lost_total"),
        "trip_ms": np.percentile(trips, [50, 99]).tolist() if len(trips) else [],
        "answers": len(answers),
        "seen_s": float(np.median(answers[:, 0])) if len(answers) else float("nan"),
        "own_s": float(np.median(answers[:, 1])) if len(answers) else float("nan"),
    }


def row(found: dict[str, Any]) -> str:
    """Return a line of the table."""
    pairs = [
        " / ".join(f"{ms:.1f}" for ms in found[name]) for name in ("frame_ms", "own_ms", "trip_ms")
    ]
    return (
        f"| {found['callers']} | {found['refused']} | {' | '.join(pairs)} | {found['late']:.0f} of "
        f"{found['frames']:.0f} | {found['dropped']:.0f} | {found['answers']}: "
        f"{found['seen_s']:.2f} / {found['own_s']:.2f} s |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", default="nano")
    parser.add_argument("--callers", type=int, nargs="+", default=[1, 2, 3, 4])
    parser.add_argument("--seconds", type=float, default=24.0)
    parser.add_argument("--empty", type=float, metavar="MS")
    parser.add_argument("--serve-empty", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--host", default="127.0.0.1", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve_empty:
        serve_empty(arguments.serve_empty, arguments.empty, arguments.host)
        return
    print("| callers | refused | frame, p50 / p99 ms | own | over the wire and back | late | "
          "dropped or filled in | answers: as seen / the model's |")  # fmt: skip
    print("|" + "---|" * 8)
    for callers in arguments.callers:
        if arguments.empty is None:
            server = [sys.executable, "-m", "personaplex_ros", "serve", "--port", "0", "--greedy",
                      "--checkpoint", arguments.checkpoint, "--sessions", str(callers),
                      "--admission-share", "1"]  # fmt: skip
        else:
            server = [sys.executable, __file__, "--empty", str(arguments.empty),
                      "--serve-empty", str(callers)]  # fmt: skip
        print(row(measure(server, callers, arguments.seconds)), flush=True)
    print(
        f"goals: p99 of a frame under {FRAME_MS:.0f} ms, of the server's own at most {GOAL_MS} ms"
    )


if __name__ == "__main__":
    main()
