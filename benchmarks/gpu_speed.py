"""Sections of the GPU's benchmark that tell how fast: memory, products, frames and sessions."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import soundfile
import torch
from gpu_setup import Row, Setup, sound
from random_models import random_engine
from torch.nn import functional as F

from personaplex_ros.doctor.sizes.cost import cost
from personaplex_ros.doctor.sizes.measure import bandwidth
from personaplex_ros.engine import Engine, Persona, Sampling, Session
from personaplex_ros.nn.packed import ScaledWeight

PERSONA_TEXT = " ".join(["word"] * 98)  # with the tags 100 tokens of the tokenizer below
DEADLINE_MS = 60.0
SPARE = 5 << 30  # bytes for graphs and the personas that are kept prepared


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


def step_time(engine: Engine, sessions: list[Session], number: int) -> float:
    frames = {session: sound(engine, number) for session in sessions}
    started = time.perf_counter()
    engine.step(frames)
    return time.perf_counter() - started


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
