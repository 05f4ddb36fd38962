"""The examination of nano's speech by judges of today: what is counted, whoever judges."""

from __future__ import annotations

import numpy as np
from benchmark_support import load_benchmark

speech = load_benchmark("nano_speech")


def sentence(text: str) -> object:
    return speech.Sentence(text, np.full(10, 0.1, np.float32), np.full(10, 0.2, np.float32))


def test_numbers_are_words_however_they_are_written() -> None:
    assert speech.spelt("We are open from 7:00 to 5, on the 2nd floor.") == (
        "we are open from seven to five on the second floor".split()
    )


def test_what_is_misheard_of_the_source_is_not_the_robots_fault() -> None:
    def hear(sound: np.ndarray) -> str:
        return "my name is Nora" if sound[0] > 0.15 else "my game is Laura"

    for said, values in (("Nora", ["50.0 points", "50.0 %"]), ("Maya", ["25.0 points", "50.0 %"])):
        rows = speech.words([sentence(f"My name is {said}.")] * 4, hear)
        assert [row.cells()[2] for row in rows] == values


def test_quality_is_told_against_the_source() -> None:
    def judge(sound: np.ndarray) -> dict[str, float]:
        return {"p808_mos": 3.0 + float(sound[0]), "ovrl_mos": 2.0}

    rows = speech.quality([sentence("Hello.")] * 3, judge)
    assert [row.cells()[2] for row in rows] == ["-0.100", "3.100", "0.000", "2.000"]
