"""Sounds that are for nobody, and the robot's own voice, as the corpus has them."""

from __future__ import annotations

import numpy as np
import pytest

from personaplex_ros.training.recording_making import record
from personaplex_ros.training.recordings import FRAME_S, Take
from personaplex_ros.training.robot_echo import FRAME, RobotEcho, robot_speech
from personaplex_ros.training.sounds import moment, surroundings
from personaplex_ros.training.speech import RATE
from personaplex_ros.training.world import load_world, plain


def test_every_sound_is_heard_and_finite() -> None:
    texts = load_world().elsewhere
    for seed in range(24):
        sound = moment(texts, np.random.default_rng(seed))
        assert sound.dtype == np.float32 and np.isfinite(sound).all() and np.abs(sound).max() > 0
        assert 0.1 * RATE < len(sound) < 15 * RATE
    for seed in range(6):
        around = surroundings(texts, 4.0, np.random.default_rng(seed))
        assert len(around) == 4 * RATE and np.isfinite(around).all()
        quarters = np.square(around.reshape(4, -1)).mean(axis=1)
        assert (quarters > 0).all(), "it goes on all the time"


def test_nothing_that_is_said_elsewhere_is_a_question_of_the_world() -> None:
    world = load_world()
    for text in world.elsewhere:
        said = f" {plain(text)} "
        assert not any(f" {wording} " in said for wording in world.complete), text


@pytest.mark.parametrize("cancelled", [True, False])
def test_a_robot_comes_back_as_loud_as_it_is_said_to(cancelled: bool) -> None:
    rng = np.random.default_rng(1)
    texts = load_world().agent_texts(rng, 1)
    played = robot_speech(texts, 9.0, rng)
    played = played[: len(played) // FRAME * FRAME]
    echo = RobotEcho(gain=0.5, delay_s=0.1, room=3, cancelled=cancelled)
    heard = echo.heard(np.zeros_like(played), played)
    assert heard.shape == played.shape

    def level(samples: np.ndarray) -> float:
        return 10 * float(np.log10(np.mean(np.square(samples[6 * RATE :])) + 1e-12))

    loss_db = level(played) - level(heard)
    assert loss_db >= 25 if cancelled else abs(loss_db - 6) < 1.5


def test_who_breaks_into_a_robot_is_heard_over_it(monkeypatch) -> None:
    monkeypatch.setattr("personaplex_ros.training.recording_making.EASY_CHANCE", 0.0)

    def recorded(chance: float) -> tuple[np.ndarray, tuple[Take, ...]]:
        monkeypatch.setattr("personaplex_ros.training.recording_making.ROBOT_CHANCE", chance)
        return record(load_world(), np.random.default_rng(11))

    wave, takes = recorded(1.0)
    assert np.isfinite(wave).all() and np.abs(wave).max() <= 1.0
    levels: dict[str, list[float]] = {}
    for take in takes:
        first, last = (round((take.first * FRAME_S + s) * RATE) for s in (take.start_s, take.end_s))
        heard = 10 * np.log10(np.mean(np.square(wave[first:last])))
        levels.setdefault(take.kind, []).append(float(heard))
    softer_db = np.median(levels["question"]) - np.median(levels["interruption"])
    assert -6 < softer_db < 6, "a caller who speaks into the robot is not taken out with its echo"
    _, alone = recorded(0.0)
    assert sum(t.frames for t in alone) == pytest.approx(sum(t.frames for t in takes), rel=0.3)
