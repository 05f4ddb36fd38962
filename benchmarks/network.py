"""What a bad network costs: words that arrive, and delay, with losses concealed and without.

usage: python benchmarks/network.py [--wav FILE ...] [--lines NAME ...] [--recogniser pocketsphinx]
       [--answers SEEDS] [--json FILE]

Needs root and the command ip (`network_line.py`), for the default recogniser also
requirements-training.txt. A microphone in one network namespace sends recordings over Cyclone DDS
through a line that delays each packet by 50 ms, or by 50 +- 30 ms, so that they overtake one
another, and loses some; in another namespace the messages are written down with their times, once
as a best-effort subscriber and once as a reliable one. From the same arrivals the intake then makes
a stream as the node does, and once as without concealment: zeros in place of losses, and no wait
for what was overtaken. A recogniser (of one's own as module:function, see
`personaplex evaluate --help`) counts the words that it reads otherwise than in the recording
itself. With --answers nano answers the demo's caller as it was heard, in its own time.

Delay: from the capture of a frame's last sample until the frame of 80 ms is whole, less the same on
the clean line. What plays the robot's answer has to wait for the latest.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from network_ends import RATE, caller, started
from network_line import Line, LineQuality, why_not
from network_rows import keep

from personaplex_ros.audio import AudioChunk, IntakeLimits
from personaplex_ros.audio.network import StreamJoiner
from personaplex_ros.benchmark.recogniser import Recogniser, load_recogniser
from personaplex_ros.engine import Engine, load_persona
from personaplex_ros.resources import share_directory

FRAME = 1_920
ANSWERS = ("second", "lifts", "five")
"""A word of the right answer to each question of the demo's caller."""
JITTER = {"delay_s": 0.05, "jitter_s": 0.03}
LINES = {
    "clean": LineQuality(),
    "50 ms, 1 % lost": LineQuality(delay_s=0.05, loss=0.01),
    "50 ms, 5 % lost": LineQuality(delay_s=0.05, loss=0.05),
    "50 ms, 10 % lost": LineQuality(delay_s=0.05, loss=0.10),
    "50 +- 30 ms": LineQuality(**JITTER),
    "50 +- 30 ms, 1 %": LineQuality(**JITTER, loss=0.01),
    "50 +- 30 ms, 5 %": LineQuality(**JITTER, loss=0.05),
    "50 +- 30 ms, 10 %": LineQuality(**JITTER, loss=0.10),
}
LIMITS = {
    "zeros": IntakeLimits(network_delay_max_s=0.0, conceal=False),
    "concealed": IntakeLimits(),
}
PATIENCE_S = 300.0
TICK_NS = 5_000_000

Arrivals = list[tuple[int, AudioChunk]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wav", type=Path, nargs="+", default=[])
    parser.add_argument("--recogniser", default="pocketsphinx")
    parser.add_argument("--lines", nargs="+", choices=LINES, default=list(LINES))
    parser.add_argument("--answers", type=int, default=0, help="conversations with nano a stream")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if problem := why_not():
        print(f"no line can be made here: {problem}")
        return 1
    waves = arguments.wav or [share_directory() / "config" / "demo" / "caller.wav"]
    recogniser = load_recogniser(arguments.recogniser)
    engine = Engine.load("nano") if arguments.answers else None
    print(f"{'line':<18}{'QoS':<13}{'lost':>7}{'spread':>9}{'delay p50, p99':>17}", end="")
    print(f"{'words':>7}{'wrong: zeros':>14}{'concealed':>11}", flush=True)
    rows = []
    for name in arguments.lines:
        for reliability in ("best_effort", "reliable"):
            row, tracks = measure(name, LINES[name], reliability, waves, recogniser)
            if engine is not None:
                row["right"] = {
                    variant: answered(engine, track, arguments.answers)
                    for variant, track in tracks.items()
                }
                print(f"    right answers of {3 * arguments.answers}: {row['right']}", flush=True)
            rows.append(row)
    keep(rows, arguments.json)
    return 0


def measure(
    name: str, quality: LineQuality, reliability: str, waves: list[Path], recogniser: Recogniser
) -> tuple[dict[str, object], dict[str, np.ndarray]]:
    """Send all recordings over one line; print and return what it did to them, and the first."""
    tracks: dict[str, np.ndarray] = {}
    words = sent = heard = 0
    wrong = dict.fromkeys(LIMITS, 0)
    delays: list[float] = []
    spread = 0
    for number, wave in enumerate(waves):
        speech = caller(wave)
        arrivals = arrived(quality, reliability, wave, seed=number)
        expected = spelled(recogniser, speech)
        words += len(expected)
        sent += len(speech)
        heard += sum(chunk.frames for _, chunk in arrivals)
        for variant, limits in LIMITS.items():
            track, whole_after, joiner = replay(arrivals, limits)
            tracks.setdefault(variant, track)
            wrong[variant] += errors(expected, spelled(recogniser, track))
            if variant == "concealed":
                delays += whole_after
                spread = max(spread, joiner.counters.spread_ms)
    p50, p99 = np.percentile(delays, (50, 99))
    row: dict[str, object] = {
        "line": name, "reliability": reliability, "lost": 1 - heard / sent, "spread_ms": spread,
        "delay_p50_s": float(p50), "delay_p99_s": float(p99), "words": words, "wrong": wrong,
    }  # fmt: skip
    print(f"{name:<18}{reliability:<13}{100 * (1 - heard / sent):>5.1f} %{spread:>6} ms", end="")
    print(f"{1e3 * p50:>8.0f}, {1e3 * p99:.0f} ms{words:>8}", end="")
    print(f"{wrong['zeros']:>14}{wrong['concealed']:>11}", flush=True)
    return row, tracks


def answered(engine: Engine, track: np.ndarray, seeds: int) -> int:
    """Return how many right answers nano gives the demo's caller as heard, in all conversations."""
    persona = engine.prepare(load_persona("receptionist"))
    right = 0
    for seed in range(seeds):
        session = engine.open(persona, seed=seed)
        frames = track[: len(track) // FRAME * FRAME].reshape(-1, FRAME).astype(np.float32)
        text = "".join(session.push(frame).piece for frame in frames).lower()
        right += sum(answer in text for answer in ANSWERS)
        session.close()
    return right


def arrived(quality: LineQuality, reliability: str, wave: Path, seed: int) -> Arrivals:
    """Send a recording over a line; return its messages as they arrived."""
    with tempfile.TemporaryDirectory() as folder, Line(quality, seed) as line:
        file = Path(folder) / "arrivals.npz"
        with (
            started(line.left, "listen", str(file), reliability) as listener,
            started(line.right, "play", str(wave)) as player,
        ):
            player.wait(PATIENCE_S)
            listener.wait(PATIENCE_S)
        content = np.load(file)
        return [
            (
                int(at),
                AudioChunk(content["samples"][begin:end], RATE, 1, int(stamp), int(first), ""),
            )
            for at, stamp, first, begin, end in content["table"]
        ]


def replay(
    arrivals: Arrivals, limits: IntakeLimits
) -> tuple[np.ndarray, list[float], StreamJoiner]:
    """Let messages arrive again; return the stream and how late each frame was whole."""
    joiner = StreamJoiner(limits, RATE)
    parts, whole_after = [np.zeros(0, np.float32)], []
    gathered, now_ns = 0, arrivals[0][0]
    for at_ns, chunk in arrivals:
        ticks = range(now_ns + TICK_NS, at_ns, TICK_NS)
        released = [(tick, joiner.release(tick)) for tick in ticks]
        now_ns = at_ns
        for when_ns, pieces in [*released, (at_ns, joiner.push(chunk, at_ns))]:
            for piece in pieces:
                parts.append(piece.samples)
                gathered += len(piece.samples)
                if gathered // FRAME > (gathered - len(piece.samples)) // FRAME:
                    captured_ns = piece.stamp_ns + len(piece.samples) * 1_000_000_000 // RATE
                    whole_after.append((when_ns - captured_ns) / 1e9)
    return np.concatenate(parts), whole_after, joiner


def spelled(recogniser: Recogniser, samples: np.ndarray) -> list[str]:
    return [word.text.lower() for word in recogniser(samples.astype(np.float32), RATE)]


def errors(expected: list[str], read: list[str]) -> int:
    """Return how many words have to be changed, dropped or added."""
    row = list(range(len(read) + 1))
    for number, word in enumerate(expected, start=1):
        corner, row[0] = row[0], number
        for place, other in enumerate(read, start=1):
            least = min(row[place] + 1, row[place - 1] + 1, corner + (word != other))
            corner, row[place] = row[place], least
    return row[-1]


if __name__ == "__main__":
    raise SystemExit(main())
