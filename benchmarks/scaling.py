"""How the cost of a frame grows: with what the context holds, with sessions, with the prompt.

usage: python benchmarks/scaling.py [--checkpoint nano] [--device auto] [--json FILE]

Each table gives times and, last, their ratio to the first row.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from personaplex_ros.engine import Engine, Persona, Session
from personaplex_ros.files import write_whole

FRAMES = 100  # of which a row is the median
CONTEXTS = (150, 400, 750, 1500, 2250, 2900)  # columns
SESSIONS = (1, 2, 4, 8, 16)
WORDS = (5, 25, 50, 100)
PREPARED = 5  # times a prompt is prepared
WARM_UP = 10

Row = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", default="nano", metavar="DIR")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()

    def load(slots: int) -> Engine:
        return Engine.load(arguments.checkpoint, device=arguments.device, slots=slots)

    engine = load(1)
    print(f"{arguments.checkpoint} on {engine.device}, {1000 / engine.frame_rate:.0f} ms a frame")
    tables = {
        "context": against_context(engine),
        "sessions": [against_sessions(load(slots), slots) for slots in SESSIONS],
        "prompt": [against_prompt(engine, words) for words in WORDS],
    }
    for rows in tables.values():
        print_table(rows)
    if arguments.json:
        write_whole(arguments.json, lambda place: place.write_text(json.dumps(tables, indent=1)))


def against_context(engine: Engine) -> list[Row]:
    """Return the temporal part and the whole frame with so many columns in the context."""
    session = engine.open(Persona("x"), seed=0)
    rows = []
    for columns in CONTEXTS:
        while session.position < columns:
            session.push(_sound(engine, session.position))
        steps = [session.push(_sound(engine, k)).timing for k in range(FRAMES)]
        temporal, total = ([getattr(t, name) for t in steps] for name in ("temporal", "total"))
        rows.append({"columns": columns} | _milliseconds("temporal", temporal)
                    | _milliseconds("frame", total))  # fmt: skip
    session.close()
    return rows


def against_sessions(engine: Engine, slots: int) -> Row:
    """Return a frame of so many sessions at once."""
    persona = engine.prepare(Persona("x", "You enjoy having a good conversation."))
    sessions = [engine.open(persona, seed=k) for k in range(slots)]

    def step(number: int) -> None:
        engine.step({session: _sound(engine, number + session.slot) for session in sessions})

    times = _times(step, FRAMES)
    return {"sessions": slots} | _milliseconds("frame", times) | {
        "each_ms": 1000 * float(np.median(times)) / slots
    }  # fmt: skip


def against_prompt(engine: Engine, words: int) -> Row:
    """Return the preparation of a text prompt, beside as many single steps."""
    persona = Persona("x", " ".join(["good"] * words))
    times = _times(lambda _: engine.prepare(persona), PREPARED)
    session = engine.open(engine.prepare(persona), seed=0)
    columns = session.position
    single = _temporal(engine, session)
    session.close()
    together = float(np.median(times))
    return {"columns": columns, "prepared_ms": 1000 * together,
            "single_steps_ms": 1000 * single * columns,
            "times_faster": single * columns / together}  # fmt: skip


def _temporal(engine: Engine, session: Session) -> float:
    steps = [session.push(_sound(engine, k)).timing.temporal for k in range(FRAMES)]
    return float(np.median(steps))


def _sound(engine: Engine, number: int) -> np.ndarray:
    """Return a frame of noise, another one for each number."""
    noise = np.random.default_rng(number).standard_normal(engine.frame_size, np.float32)
    return noise * np.float32(0.02)


def _times(run: Callable[[int], Any], count: int) -> list[float]:
    times = []
    for number in range(WARM_UP + count):
        begun = time.perf_counter()
        run(number)
        times.append(time.perf_counter() - begun)
    return times[WARM_UP:]


def _milliseconds(name: str, seconds: list[float]) -> Row:
    p50, p99 = 1000 * np.percentile(seconds, [50, 99])
    return {f"{name}_p50_ms": float(p50), f"{name}_p99_ms": float(p99)}


def print_table(rows: list[Row]) -> None:
    """Print rows, the last column's ratio to the first row's beside it."""
    names = list(rows[0])
    print("\n" + "".join(f"{name:>18}" for name in names) + f"{'ratio':>10}")
    for row in rows:
        cells = "".join(f"{row[n]:18.2f}" if isinstance(row[n], float) else f"{row[n]:18}"
                        for n in names)  # fmt: skip
        print(f"{cells}{row[names[-1]] / rows[0][names[-1]]:10.2f}")


if __name__ == "__main__":
    main()
