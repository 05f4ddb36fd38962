"""Silence costs no more than speech: denormal numbers are flushed wherever the engine computes.

Each test runs in a process of its own, as the setting belongs to threads and their workers.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from reference import CODEC, ROOT, write_checkpoint

pytestmark = pytest.mark.alone

CODEC_OF_SOME_SIZE = {
    "filters": 16, "dimension": 128, "heads": 4, "layers": 4, "hidden": 512, "context": 250,
}  # fmt: skip

COMMON = """
import json, sys, threading, time
import numpy as np, torch
from reference import frames_of, speech_like
from personaplex_ros.engine import Engine, Persona

def denormals_left():
    # Half of a large product is done by a worker.
    smallest = torch.full((4_000_000,), 71362, dtype=torch.int32).view(torch.float32)
    return int(((smallest * 1.0).view(torch.int32) != 0).sum())
"""


def run(program: str, *arguments: object) -> dict[str, Any]:
    """Run a program in a fresh process and return what it prints as JSON."""
    path = f"import sys; sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / 'test')!r}]\n"
    command = [sys.executable, "-c", path + COMMON + program, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_every_thread_that_computes_flushes_denormals(small_checkpoint: Path) -> None:
    left = run(
        """
torch.set_num_threads(2)
found = {}
def load():
    engine = Engine.load(sys.argv[1], device="cpu")
    found["load"] = denormals_left()
    return engine
def prepare():
    engine.prepare(Persona("x", "Be kind."))
    found["prepare"] = denormals_left()
def step():
    engine.open(prepared).push(np.zeros(1920, np.float32))
    found["step"] = denormals_left()

found["nothing"] = None
plain = threading.Thread(target=lambda: found.update(nothing=denormals_left()))
plain.start(); plain.join()
engine = load()
torch.set_flush_denormal(False)  # what the threads below inherit
prepared = engine.prepare(Persona("y"))
torch.set_flush_denormal(False)
for work in (prepare, step):
    thread = threading.Thread(target=work)
    thread.start(); thread.join()
print(json.dumps(found))
""",
        small_checkpoint,
    )
    assert left["nothing"] == 4_000_000, "the process flushed denormals by itself"
    assert {left["load"], left["prepare"], left["step"]} == {0}


TIMES = """
torch.set_num_threads(1)
medians = {}

def cost(bits):
    x = torch.full((1, 512), bits, dtype=torch.int32).view(torch.float32)
    weight, begun = torch.rand(512, 512), time.perf_counter()
    for _ in range(300):
        x @ weight
    return time.perf_counter() - begun

if sys.argv[2] == "unflushed":
    torch.set_flush_denormal = lambda on: None
    cost(1065353216)  # of 1.0, to warm up
    medians["denormal"] = cost(71362) / cost(1065353216)
    if medians["denormal"] < 2:
        print(json.dumps(medians))
        sys.exit()
engine = Engine.load(sys.argv[1], device="cpu")
# Biases keep a codec of random weights away from 0; without them it follows its input there.
for name, tensor in engine.codec.state_dict().items():
    if name.endswith("bias"):
        tensor.zero_()
session = engine.open(Persona("x"))
count = 200 * engine.frame_size
faded = np.random.default_rng(0).standard_normal(count).astype(np.float32) * np.float32(1e-41)
parts = {"speech": speech_like(count / 24000), "silence": np.zeros(count, np.float32),
         "faded": faded}
for name, samples in parts.items():
    times = [session.push(frame).timing for frame in frames_of(samples, engine.frame_size)]
    medians[name] = float(np.median([each.encode + each.decode for each in times]))

print(json.dumps(medians))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    codec = dataclasses.replace(CODEC, **CODEC_OF_SOME_SIZE)
    return write_checkpoint(tmp_path_factory.mktemp("silence"), codec=codec)


def test_silence_after_speech_costs_no_more(folder: Path) -> None:
    times = run(TIMES, folder, "flushed")
    assert times["silence"] < 1.5 * times["speech"]
    assert times["faded"] < 1.5 * times["speech"]


@pytest.mark.long
def test_without_flushing_faded_sound_would_cost_more(folder: Path) -> None:
    times = run(TIMES, folder, "unflushed")
    if times["denormal"] < 2:
        pytest.skip(f"denormals cost this CPU nothing: {times['denormal']:.2f} times a product")
    assert times["faded"] > 1.5 * times["speech"]
