"""Sounds that are for nobody, and the robot's own voice, as the corpus has them."""

from __future__ import annotations

import numpy as np
import pytest

from personaplex_ros.training.conversations import recording_making
from personaplex_ros.training.conversations.recording_making import Clip, record
from personaplex_ros.training.conversations.recordings import FRAME_S, Take
from personaplex_ros.training.sound.music import SOUND_FONT, band, can_play
from personaplex_ros.training.sound.robot_echo import FRAME, RobotEcho, robot_speech
from personaplex_ros.training.sound.sounds import laugh, moment, somebody, surroundings
from personaplex_ros.training.voices.speakers import Callers
from personaplex_ros.training.voices.speech import RATE, Speech
from personaplex_ros.training.world import load_world, plain


def test_every_sound_is_heard_and_finite() -> None:
    texts = load_world().elsewhere
    for seed in range(24):
        sound = moment(texts, Callers(), np.random.default_rng(seed))
        assert sound.dtype == np.float32 and np.isfinite(sound).all() and np.abs(sound).max() > 0
        assert 0.1 * RATE < len(sound) < 15 * RATE
    for seed in range(6):
        around = surroundings(texts, 4.0, Callers(), np.random.default_rng(seed))
        assert len(around) == 4 * RATE and np.isfinite(around).all()
        quarters = np.square(around.reshape(4, -1)).mean(axis=1)
        assert (quarters > 0).all(), "it goes on all the time"


def test_nothing_that_is_said_elsewhere_is_a_question_of_the_world() -> None:
    world = load_world()
    for text in world.elsewhere:
        said = f" {plain(text)} "
        assert not any(f" {wording} " in said for wording in world.complete), text


class Tone:
    """A voice that says one thing, a tone of so many hertz."""

    def __init__(self, pitch_hz: float, known: str):
        self.pitch_hz, self.known = pitch_hz, known
        self.asked: list[str] = []

    def knows(self, text: str) -> bool:
        """Whether that is what it says."""
        return text == self.known

    def say(self, text: str) -> Speech:
        """Say it, for a second."""
        self.asked.append(text)
        time = np.arange(RATE) / RATE
        return Speech(np.sin(2 * np.pi * self.pitch_hz * time).astype(np.float32), (), ())


class One(Callers):
    """Callers of whom one voice is always drawn."""

    def __init__(self, voice: Tone):
        super().__init__()
        object.__setattr__(self, "voice", voice)

    def draw(self, rng: np.random.Generator) -> Tone:
        """Draw that voice."""
        return self.voice


def test_recorded_voices_are_heard_elsewhere_with_what_they_know() -> None:
    texts, rng = load_world().elsewhere, np.random.default_rng(3)
    voice = Tone(440.0, texts[5])
    sound = somebody(texts, 6.0, One(voice), rng)
    assert len(sound) == 6 * RATE and set(voice.asked) == {texts[5]}
    assert np.argmax(np.abs(np.fft.rfft(sound))) / 6 == pytest.approx(440, abs=3)
    assert np.abs(somebody(texts, 2.0, One(Tone(440.0, "")), rng)).max() > 0, "somebody else"


def test_a_laugh_repeats_a_syllable() -> None:
    texts = load_world().elsewhere
    for seed in range(12):
        voice = Tone(500.0, texts[0])
        sound = laugh(texts, voice, np.random.default_rng(seed))
        if not voice.asked:
            continue  # by the synthesiser
        loud = np.abs(sound[: len(sound) // 240 * 240]).reshape(-1, 240).max(axis=1) > 0.01
        bursts = np.count_nonzero(np.diff(loud.astype(int)) == 1) + int(loud[0])
        assert 3 <= bursts <= 13 and 0.25 < len(sound) / RATE < 5
        return
    pytest.fail("no laugh was made of a caller's voice")


@pytest.mark.skipif(not can_play(), reason=f"needs mido, fluidsynth and {SOUND_FONT}")
def test_instruments_play_for_as_long_as_is_asked_and_never_the_same() -> None:
    played = [band(3.0, np.random.default_rng(seed)) for seed in (1, 1, 2)]
    for sound in played:
        assert sound.shape == (3 * RATE,) and sound.dtype == np.float32
        assert np.square(sound.reshape(3, -1)).mean(axis=1).min() > 0
    assert np.array_equal(played[0], played[1]) and not np.array_equal(played[0], played[2])


def test_what_is_softer_than_a_caller_is_softer_by_as_much() -> None:
    assert Clip(0.0, np.zeros(1, np.float32), 20.0).gain == pytest.approx(0.1)


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
    monkeypatch.setattr(recording_making, "EASY_CHANCE", 0.0)

    def recorded(chance: float) -> tuple[np.ndarray, tuple[Take, ...]]:
        monkeypatch.setattr(
            "personaplex_ros.training.conversations.recording_making.ROBOT_CHANCE", chance
        )
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
