"""The GPU's benchmark runs to its end: here on a CPU, with a model too small to measure."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from benchmark_support import BENCHMARKS, load_benchmark

gpu = load_benchmark("gpu")
Setup = load_benchmark("gpu_setup").Setup
agreement = load_benchmark("gpu_agreement")
random_engine = load_benchmark("random_models").random_engine
teacher_forced = load_benchmark("teacher_forcing").teacher_forced
SMALL = (agreement.SMALL_LM, agreement.SMALL_CODEC)


@pytest.mark.long
def test_every_section_that_needs_no_kernels_gives_rows() -> None:
    setup = Setup(torch.device("cpu"), *SMALL, torch.float32, (None,), (1, 2), 4, 5)
    results = gpu.run(setup, [name for name in gpu.SECTIONS if name != "products"])
    assert not [name for name, rows in results.items() if isinstance(rows, str)], results
    assert [row["sessions"] for row in results["sessions"]] == [1, 2]
    (persona,) = results["persona"]
    assert persona["columns"] > 225, "10 s of voice and 100 tokens"
    for row in results["parity"]:  # without a GPU all of them run on the CPU
        assert (row["same_tokens"], row["largest_error"]) == (1.0, 0.0), row


def test_drift_is_nothing_between_the_same_weights_and_grows_with_coarser_ones() -> None:
    model = (*SMALL, torch.device("cpu"), torch.float32)
    lms = [random_engine(*model, weights).lm for weights in (None, None, "int8", "float8")]
    same, fine, coarse = (list(teacher_forced(lms[0], lm, 0, 6)) for lm in lms[1:])
    assert same == [(0.0, 0.0, True)] * 6
    for kind in range(2):  # text, speech
        small, large = (sum(frame[kind] for frame in frames) for frames in (fine, coarse))
        assert 0.0 < small < large, "e4m3 keeps 4 bits of a number, int8 up to 8"


def test_a_section_that_fails_is_told_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(setup: object) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(gpu, "SECTIONS", {"a": broken, "b": lambda setup: iter([{"x": 1}])})
    setup = Setup(torch.device("cpu"), *SMALL, torch.float32, (), (), 1, 1)
    results = gpu.run(setup, ["a", "b"])
    assert results == {"a": "failed: RuntimeError: out of memory", "b": [{"x": 1}]}


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU, so it would run")
def test_without_a_gpu_it_says_that_it_did_not_run() -> None:
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / "gpu.py")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "DID NOT RUN" in done.stderr
