"""The examination in loud places: how loud it is there, and what counts as an answer to nobody."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from benchmark_support import load_benchmark

from personaplex_ros.audio import write_wave
from personaplex_ros.training.voices.speech import RATE
from personaplex_ros.training.voices.speech_bank import LEVEL
from personaplex_ros.training.world import load_world, plain

loud = load_benchmark("surroundings")
KINDS = sorted({*loud.AMID, *loud.NOBODY})


def said(*spans_s: tuple[float, float]) -> Any:
    """Return a dialogue in which the robot is heard at these times."""
    sound = np.zeros(1000, np.bool_)
    for start_s, end_s in spans_s:
        sound[round(start_s * 100) : round(end_s * 100)] = True
    return SimpleNamespace(sound=sound)


@pytest.mark.parametrize(
    ("spans_s", "count"),
    [
        ((), 0),
        (((0.0, 1.0),), 1),
        (((1.0, 2.0), (2.5, 4.0)), 1),  # a pause between two sentences of one answer
        (((1.0, 2.0), (3.0, 4.0), (9.0, 9.9)), 3),
    ],
)
def test_an_answer_begins_after_silence(
    spans_s: tuple[tuple[float, float], ...], count: int
) -> None:
    assert loud.begins(said(*spans_s)) == count


def test_what_cannot_be_known_is_neither_known_nor_trained_on() -> None:
    wordings = {plain(w) for i in load_world().intents.values() for w in (*i.wordings, *i.held_out)}
    assert not wordings & {plain(text) for text in loud.CANNOT_KNOW}
    assert len(set(loud.CANNOT_KNOW)) == 30


def rms_db(samples: np.ndarray) -> float:
    return 10 * float(np.log10(np.mean(np.square(samples))))


@pytest.mark.parametrize("kind", KINDS)
def test_sounds_are_as_loud_as_is_asked_and_as_long(kind: str) -> None:
    for by_db in (0.0, -10.0):
        made = loud.louder(loud.made_up(kind, load_world()), by_db)
        sound = made(4.0, np.random.default_rng(3))
        assert sound.shape == (4 * RATE,) and sound.dtype == np.float32
        assert rms_db(sound) == pytest.approx(20 * np.log10(LEVEL) + by_db, abs=3.0), (
            "a click that fills the scale cannot be louder"
        )


def test_files_of_any_rate_and_length_are_played_on_and_on(tmp_path: Path) -> None:
    times = np.arange(8000) / 16_000
    for name, volume in (("soft", 0.01), ("loud", 0.9)):
        tone = volume * np.sin(2 * np.pi * 440 * times)
        write_wave(tmp_path / f"{name}.wav", tone.astype(np.float32), 16_000)
    write_wave(tmp_path / "silent.wav", np.zeros(16_000, np.float32), 16_000)
    one = loud.from_files(sorted(tmp_path.glob("*.wav")))
    sound = one(10.0, np.random.default_rng(1))
    assert len(sound) == 10 * RATE
    assert np.abs(sound).max() == pytest.approx(LEVEL * np.sqrt(2), rel=0.05), "all as loud"
    spectrum = np.abs(np.fft.rfft(sound))
    assert np.argmax(spectrum) / 10 == pytest.approx(440, abs=3)
    crowd = loud.several(one)(10.0, np.random.default_rng(1))
    assert rms_db(crowd) > rms_db(sound) + 3


def test_people_say_what_the_name_of_their_folder_is(tmp_path: Path) -> None:
    for folder in ("hello", "thanks", "music"):
        (tmp_path / folder).mkdir()
        write_wave(tmp_path / folder / "a.wav", np.full(8000, 0.1, np.float32), 8000)
    assert [(one.intent, one.duration_s) for one in loud.people(tmp_path)] == [
        ("greeting", pytest.approx(1.0)),
        ("thanks", pytest.approx(1.0)),
    ]
