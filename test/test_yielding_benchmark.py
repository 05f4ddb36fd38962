"""The arithmetic of benchmarks/yielding.py; what it measures takes minutes."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
from benchmark_support import load_benchmark

from personaplex_ros.training.evaluation.scenarios import plan_dialogue
from personaplex_ros.training.world import load_world


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    return load_benchmark("yielding")


def test_silence_begins_where_nothing_is_heard_for_long_enough(benchmark: ModuleType) -> None:
    sound = np.zeros(500, bool)  # windows of 10 ms
    sound[100:140] = sound[200:250] = sound[350:360] = True
    assert benchmark.time_to_silence(sound, 1.2) == pytest.approx(1.3)  # 0.6 s are a pause
    assert benchmark.time_to_silence(sound, 2.8) == pytest.approx(0.8)
    assert benchmark.time_to_silence(sound, 3.7) == 0.0


def test_a_short_plan_is_a_question_that_is_broken_into_and_one_more(
    benchmark: ModuleType,
) -> None:
    plan = benchmark.short_plan(plan_dialogue(load_world(), (3, 1, 0)))
    kinds = [utterance.kind for utterance in plan.utterances]
    assert kinds == ["question", "interruption", "question"]
    assert plan.utterances[0] is not plan.utterances[2]
