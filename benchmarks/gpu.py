"""What a GPU does with the full-size model, random weights, nothing to download.

usage: python benchmarks/gpu.py [--json FILE] [--only SECTION,...]

Sections: bandwidth, products, frame, persona, sessions, parity, drift. Each prints a table; one
that fails says so, and the others go on. Without a GPU it says that it did not run, and its
exit status is 1.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import gc
import json
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import soundfile
import torch
from random_models import Words, random_engine
from teacher_forcing import teacher_forced
from torch.nn import functional as F

from personaplex_ros.doctor.cost import cost
from personaplex_ros.doctor.measure import bandwidth
from personaplex_ros.engine import Engine, Persona, Sampling, Session
from personaplex_ros.engine.packing import scale
from personaplex_ros.files import write_whole
from personaplex_ros.lm import LMConfig
from personaplex_ros.mimi import MimiConfig
from personaplex_ros.nn.packed import ScaledWeight

Row = dict[str, Any]
WEIGHTS = (None, "int8", "float8")  # None: as the type of the model
PERSONA_TEXT = " ".join(["word"] * 98)  # with the tags 100 tokens of the tokenizer below
DEADLINE_MS = 60.0
SPARE = 5 << 30  # bytes for graphs and the personas that are kept prepared
SMALL_LM = LMConfig(
    dim=256, heads=4, layers=3, hidden=512, context=320, text_cardinality=500, cardinality=64,
    depth_steps=8, depth_dim=128, depth_heads=4, depth_layers=2, depth_hidden=256,
    silence_codes=(1,) * 8, sine_codes=(2,) * 8,
)  # fmt: skip
SMALL_CODEC = MimiConfig(filters=8, dimension=64, heads=4, layers=2, hidden=128, cardinality=64,
                         code_dimension=32, codebooks=8)  # fmt: skip


@dataclass(frozen=True)
class Setup:
    """What is measured, and how long."""

    device: torch.device
    lm: LMConfig
    codec: MimiConfig
    dtype: torch.dtype
    weights: tuple[str | None, ...]
    sessions: tuple[int, ...]
    frames: int  # of which a row tells percentiles
    forced: int  # frames of which a row of drift is the mean

    @property
    def model(self) -> tuple[LMConfig, MimiConfig, torch.device, torch.dtype]:
        """What a random model is made of."""
        return self.lm, self.codec, self.device, self.dtype


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--only", default=",".join(SECTIONS), metavar="SECTION,...")
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        print("this benchmark DID NOT RUN: torch finds no CUDA device here", file=sys.stderr)
        return 1
    device = torch.device("cuda")
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, CUDA {torch.version.cuda}")
    capable = torch.cuda.get_device_capability() >= (8, 9)
    setup = Setup(
        device, replace(LMConfig(), depth_steps=8), MimiConfig(), torch.bfloat16,
        WEIGHTS if capable else WEIGHTS[:2], (1, 2, 4, 8, 16, 32, 64), 200, 1500,
    )  # fmt: skip
    results = run(setup, arguments.only.split(","))
    results["machine"] = {"gpu": torch.cuda.get_device_name(), "torch": torch.__version__}
    if arguments.json:
        write_whole(arguments.json, lambda place: place.write_text(json.dumps(results, indent=1)))
    return 0


def run(setup: Setup, names: list[str]) -> dict[str, Any]:
    """Run sections one after the other; what one raises is told and kept as its result."""
    results: dict[str, Any] = {}
    for name in names:
        print(f"\n{name}", flush=True)
        started = time.perf_counter()
        try:
            results[name] = list(SECTIONS[name](setup))
            print_table(results[name])
        except Exception as error:
            traceback.print_exc()
            results[name] = f"failed: {type(error).__name__}: {error}"
        print(f"({time.perf_counter() - started:.0f} s)", flush=True)
        gc.collect()
        if setup.device.type == "cuda":
            torch.cuda.empty_cache()
    return results


def measure_bandwidth(setup: Setup) -> Iterator[Row]:
    """Yield the bandwidth of reading, beside that of a copy, which both reads and writes."""
    reading = bandwidth(setup.device, setup.dtype)
    yield {"what": "product with one row", "GB/s": reading / 1e9}
    source = torch.empty(1 << 28, dtype=torch.uint8, device=setup.device)
    target = torch.empty_like(source)
    seconds = device_time(setup, lambda: target.copy_(source))
    yield {"what": "copy", "GB/s": 2 * source.numel() / seconds / 1e9}


def measure_products(setup: Setup) -> Iterator[Row]:
    """Yield our products of one frame beside torch's, for each shape of weight and row count."""
    from personaplex_ros.kernels.linear import linear

    lm = setup.lm
    shapes = {
        "qkv": (3 * lm.dim, lm.dim), "out": (lm.dim, lm.dim), "in": (2 * lm.hidden, lm.dim),
        "down": (lm.dim, lm.hidden), "depth qkv": (3 * lm.depth_dim, lm.depth_dim),
    }  # fmt: skip
    for rows in sorted({1, setup.sessions[-1]}):
        for name, (size, width) in shapes.items():
            # Several copies, so that the cache of the GPU does not hold them.
            copies = max(1, min(16, (1 << 29) // (size * width)))
            weights = [torch.randn(size, width, device=setup.device, dtype=setup.dtype)
                       for _ in range(copies)]  # fmt: skip
            x = torch.randn(rows, width, device=setup.device, dtype=setup.dtype)
            scaled = [ScaledWeight(w, torch.int8) for w in weights]
            products = {
                "torch": [partial(F.linear, x, w) for w in weights],
                "16 bits": [partial(linear, x, w) for w in weights],
                "int8": [partial(linear, x, w.values, w.scale) for w in scaled],
            }
            seconds = {k: device_time(setup, partial(all_of, p)) for k, p in products.items()}
            for kind, size_of_one in (("16 bits", 2), ("int8", 1)):
                ours, theirs = seconds[kind] / copies, seconds["torch"] / copies
                speed = weights[0].numel() * size_of_one / ours / 1e9
                yield {"weight": name, "rows": rows, "stored": kind, "ours_us": 1e6 * ours,
                       "GB/s": speed, "torch_us": 1e6 * theirs, "ratio": theirs / ours}  # fmt: skip


def all_of(tasks: list[Callable[[], Any]]) -> None:
    for task in tasks:
        task()


def measure_frame(setup: Setup) -> Iterator[Row]:
    """Yield a frame of one session, context half full, as graphs and operation by operation."""
    speed = bandwidth(setup.device, setup.dtype)
    for weights in setup.weights:
        engine = random_engine(*setup.model, weights)
        row = frame_row(setup, engine)
        bytes_read = cost(setup.lm, setup.codec, 1 if weights else 2, 2).frame(
            setup.lm.context // 2
        )
        limit = 1000 * bytes_read / speed
        row = {"weights": weights or "as dtype"} | row
        row |= {"limit_ms": limit, "of_limit": limit / row["p50_ms"],
                "warm_up_s": engine.startup.warm_up_s}  # fmt: skip
        if weights is None:
            models = (engine.lm, engine.codec, engine.tokenizer, [])
            del engine
            plain = Engine(*models, plain=True)
            row["plain_p50_ms"] = frame_row(setup, plain)["p50_ms"]
            row["ratio"] = row["plain_p50_ms"] / row["p50_ms"]
        yield row


def frame_row(setup: Setup, engine: Engine) -> Row:
    session = engine.open(Persona("x"), Sampling(), seed=0)
    stand_at(engine, setup.lm.context // 2)
    results, times = [], []
    for number in range(20 + setup.frames):
        started = time.perf_counter()
        results.append(session.push(sound(engine, number)).timing)
        times.append(time.perf_counter() - started)
    session.close()
    parts = {f"{name}_ms": 1000 * float(np.median([getattr(t, name) for t in results[20:]]))
             for name in ("encode", "temporal", "depth", "decode")}  # fmt: skip
    return percentiles(times[20:]) | parts


def measure_persona(setup: Setup) -> Iterator[Row]:
    """Yield a switch to a persona of 10 s of voice and 100 tokens, new and known."""
    for weights in setup.weights[:2]:
        engine = random_engine(*setup.model, weights)
        session = engine.open(Persona("x"), seed=0)
        with TemporaryDirectory() as folder:
            voice = Path(folder) / "voice.wav"
            noise = np.random.default_rng(0).standard_normal(10 * engine.sample_rate)
            soundfile.write(voice, 0.1 * noise, engine.sample_rate)
            times: dict[str, list[float]] = {"first": [], "new": [], "cached": []}
            for number in range(6):
                persona = Persona("x", f"{PERSONA_TEXT} {'a' * number}", str(voice))
                for kind in ("new" if number else "first", "cached"):
                    started = time.perf_counter()
                    session.restart(engine.prepare(persona))
                    if setup.device.type == "cuda":
                        torch.cuda.synchronize()
                    times[kind].append(time.perf_counter() - started)
        columns = session.position
        step = np.median([session.push(sound(engine, k)).timing.temporal for k in range(30)])
        new = float(np.median(times["new"]))
        yield {"weights": weights or "as dtype", "columns": columns,
               "first_ms": 1000 * times["first"][0], "new_ms": 1000 * new,
               "cached_ms": 1000 * float(np.median(times["cached"])),
               "single_steps_ms": 1000 * float(step) * columns,
               "ratio": float(step) * columns / new}  # fmt: skip
        del engine, session


def measure_sessions(setup: Setup) -> Iterator[Row]:
    """Yield frames of many sessions, contexts full, and how comings and goings disturb them."""
    for weights in setup.weights[:2]:
        counts = fitting(setup, weights)
        engine = random_engine(*setup.model, weights, counts[-1])
        persona = engine.prepare(Persona("x", PERSONA_TEXT))
        single = None
        for count in counts:
            sessions = [engine.open(persona, seed=k) for k in range(count)]
            stand_at(engine, setup.lm.context)
            times = [step_time(engine, sessions, number) for number in range(10 + setup.frames)]
            row = {"weights": weights or "as dtype", "sessions": count} | percentiles(times[10:])
            disturbed = [t for t in disturbed_times(setup, engine, sessions)]
            row["p99_disturbed_ms"] = 1000 * float(np.percentile(disturbed, 99))
            row["in_time"] = row["p99_ms"] < DEADLINE_MS
            row["memory_GB"] = (
                torch.cuda.memory_allocated() / 1e9 if setup.device.type == "cuda" else 0.0
            )
            single = single or row["p50_ms"]
            row["ratio"] = single * count / row["p50_ms"]  # to as many frames one by one
            for session in sessions:
                session.close()
            yield row
        del engine, persona, sessions, session


def fitting(setup: Setup, weights: str | None) -> list[int]:
    """Return how many sessions to try: those asked for, or as many as the memory holds."""
    if setup.device.type != "cuda":
        return list(setup.sessions)
    price = cost(setup.lm, setup.codec, 1 if weights else 2, 2)
    room = torch.cuda.mem_get_info()[0] - SPARE - price.held
    most = 1 + int(room // price.cache)
    return sorted({*(n for n in setup.sessions if n <= most), min(most, setup.sessions[-1])})


def disturbed_times(setup: Setup, engine: Engine, sessions: list[Session]) -> Iterator[float]:
    """Yield frames' times while the last session restarts and personas are prepared beside."""
    ended = threading.Event()

    def prepare() -> None:
        number = 0
        while not ended.wait(0.2):
            number += 1
            engine.prepare(Persona("x", f"{PERSONA_TEXT} {'b' * number}"))

    beside = threading.Thread(target=prepare)
    beside.start()
    try:
        for number in range(setup.frames):
            started = time.perf_counter()
            if number % 10 == 0:
                sessions[-1].restart()
            engine.step({session: sound(engine, number) for session in sessions})
            yield time.perf_counter() - started
    finally:
        ended.set()
        beside.join()


def measure_drift(setup: Setup) -> Iterator[Row]:
    """Yield how far predictions move with 8-bit weights, the same tokens forced upon both models.

    The weights are random: trained ones may do better or worse. Products unpack the weights, so
    this says nothing of time, and nothing but the weights differs.
    """
    for weights in setup.weights[1:]:
        sure, light = (random_engine(*setup.model, kind).lm for kind in (None, weights))
        for seed in range(3):
            text, audio, same = np.mean(list(teacher_forced(sure, light, seed, setup.forced)), 0)
            yield {"weights": weights, "seed": seed, "frames": setup.forced, "text_kl": text,
                   "audio_kl": audio, "same_text": same}  # fmt: skip
        del sure, light


def measure_parity(setup: Setup) -> Iterator[Row]:
    """Yield how far a small model's conversation on the GPU agrees with that on a CPU."""
    small = replace(setup, device=torch.device("cpu"), lm=SMALL_LM, codec=SMALL_CODEC,
                    dtype=torch.float32)  # fmt: skip
    for weights in (None, "int8"):
        expected = conversation(random_engine(*small.model, weights))
        yield parity_row(f"CPU again, {weights or 'float32'}", expected,
                         conversation(random_engine(*small.model, weights)))  # fmt: skip
        for kind, plain in (("operation by operation", True), ("graphs", False)):
            if weights and plain:
                continue  # 8 bits are for the kernels
            cpu = random_engine(*small.model)
            lm, codec = cpu.lm.to(setup.device), cpu.codec.to(setup.device)
            lm.fused = setup.device.type == "cuda"
            if weights:
                scale(lm, weights, setup.device)
            engine = Engine(lm, codec, Words(), [], plain=plain)  # type: ignore[arg-type]
            yield parity_row(f"{kind}, {weights or 'float32'}", expected, conversation(engine))


def parity_row(what: str, expected: Any, given: Any) -> Row:
    """Tell how many frames have the same tokens, and the largest error of those frames' speech."""
    same = (expected[0] == given[0]).all(1)
    error = np.abs(expected[1] - given[1])[same].max(initial=0.0)
    return {"what": what, "same_tokens": float(same.mean()),
            "largest_error": float(error / np.abs(expected[1]).max())}  # fmt: skip


def conversation(engine: Engine) -> tuple[np.ndarray, np.ndarray]:
    """Return tokens [T, 9] and speech [T, frame_size] of a greedy conversation round the ring."""
    session = engine.open(Persona("x", "some words"), Sampling(greedy=True))
    results = [session.push(sound(engine, number)) for number in range(SMALL_LM.context + 30)]
    session.close()
    tokens = np.array([[result.token, *result.codes] for result in results])
    return tokens, np.array([result.audio for result in results])


def stand_at(engine: Engine, column: int) -> None:
    """Pretend that all conversations are at a column; what their contexts hold does not matter."""
    states = engine.states
    states.lm.position.fill_(column)
    states.lm.columns[:] = [column] * len(states.lm.columns)
    for side in (states.hearing, states.speaking):
        side.transformer.position.fill_(2 * column)
        side.transformer.longest = 2 * column
    if engine.device.type == "cuda":
        torch.cuda.synchronize()


def step_time(engine: Engine, sessions: list[Session], number: int) -> float:
    frames = {session: sound(engine, number) for session in sessions}
    started = time.perf_counter()
    engine.step(frames)
    return time.perf_counter() - started


@functools.cache
def noises(size: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((50, size)).astype(np.float32) * 0.02


def sound(engine: Engine, number: int) -> np.ndarray:
    """Return a frame of noise, another one for each of 50 numbers."""
    return noises(engine.frame_size)[number % 50]


def device_time(setup: Setup, run: Callable[[], Any], repeats: int = 20) -> float:
    """Return the median seconds of an operation on the device."""
    times = []
    for _ in range(3 + repeats):
        if setup.device.type == "cuda":
            begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            begin.record()
            run()
            end.record()
            end.synchronize()
            times.append(begin.elapsed_time(end) / 1000)
        else:
            started = time.perf_counter()
            run()
            times.append(time.perf_counter() - started)
    return float(np.median(times[3:]))


def percentiles(seconds: list[float]) -> Row:
    p50, p99, most = 1000 * np.percentile(seconds, [50, 99, 100])
    return {"p50_ms": float(p50), "p99_ms": float(p99), "max_ms": float(most),
            "p99_to_p50": float(p99 / p50)}  # fmt: skip


def print_table(rows: list[Row]) -> None:
    """Print rows under the names of their columns."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    widths = [max(len(name), 10, *(len(shown(row.get(name))) for row in rows)) for name in names]
    for cells in (names, *([shown(row.get(name)) for name in names] for row in rows)):
        print("  ".join(cell.rjust(width) for cell, width in zip(cells, widths, strict=True)))


def shown(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.3f}" if isinstance(value, float) else str(value)


SECTIONS: dict[str, Callable[[Setup], Iterator[Row]]] = {
    "bandwidth": measure_bandwidth,
    "products": measure_products,
    "frame": measure_frame,
    "persona": measure_persona,
    "sessions": measure_sessions,
    "parity": measure_parity,
    "drift": measure_drift,
}

if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())
