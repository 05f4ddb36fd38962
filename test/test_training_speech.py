"""Synthesised speech: what is said when, and what a room does to it."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.signal import welch

from personaplex_ros.cli import main
from personaplex_ros.training.conversations.callers import hesitate
from personaplex_ros.training.sound.augment import coloured_noise, reverberate, through_rate
from personaplex_ros.training.voices.speakers import AGENTS, HELD_OUT, VARIANTS, random_caller
from personaplex_ros.training.voices.speech import RATE, Voice, speak
from personaplex_ros.training.voices.speech_bank import (
    LABEL_HOP,
    build_bank,
    label_phones,
    phone_class,
)

US = Voice("en-us")


def test_every_word_has_its_time_in_order() -> None:
    text = "Hello, the meeting room is in the second floor, room 204, at 9 o'clock."
    speech = speak(text, US)
    assert [word.text for word in speech.words] == text.split()
    starts = [word.start_s for word in speech.words]
    assert starts == sorted(starts) and starts[0] == 0
    assert all(a.end_s == b.start_s for a, b in zip(speech.words, speech.words[1:], strict=False))
    assert speech.words[-1].end_s == pytest.approx(speech.duration_s, abs=0.01)


def test_a_pause_between_sentences_lies_before_its_word() -> None:
    speech = speak("Yes. Now wait.", US)
    at = speech.words[1].start_s
    level = [
        np.abs(speech.samples[round(t * RATE) :][: RATE // 50]).max() for t in (at - 0.1, at + 0.05)
    ]
    assert level[0] < 0.02 < level[1]


def test_phones_follow_the_sounds() -> None:
    """A hiss has most of its power high up, a vowel far below (Ladefoged, any edition)."""
    speech = speak("See.", US)
    assert [phone_class(p.text) for p in speech.phones[:2]] == ["s", "i"]
    centres = []
    for phone in speech.phones[:2]:
        first, last = (round(t * RATE) for t in (phone.start_s, phone.end_s))
        frequency, power = welch(speech.samples[first:last], RATE, nperseg=512)
        centres.append((frequency * power).sum() / power.sum())
    assert centres[0] > 3000 and centres[0] > 2 * centres[1]


def test_speech_begins_and_ends_without_silence() -> None:
    samples = speak("Good morning.", US).samples
    edges = (samples[:240], samples[-240:])
    assert all(np.abs(edge).max() > 0.002 for edge in edges)


def test_an_unknown_voice_is_named() -> None:
    with pytest.raises(ValueError, match="en-nowhere"):
        speak("Hello.", Voice("en-nowhere"))


@pytest.mark.parametrize("name", [*(voice.name for voice in AGENTS.values()), *HELD_OUT])
def test_all_voices_speak(name: str) -> None:
    assert 0.5 < speak("Where is the exit?", Voice(name)).duration_s < 3


def test_callers_kept_for_evaluation_are_never_trained_on() -> None:
    rng = np.random.default_rng(0)
    trained = {random_caller(rng).name for _ in range(2000)}
    kept = {random_caller(rng, held_out=True).name for _ in range(200)}
    assert kept == set(HELD_OUT) and not trained & kept
    assert not {name.split("+")[1] for name in HELD_OUT} & set(VARIANTS)


def test_a_hesitation_moves_what_follows() -> None:
    speech = speak("Where is the exit?", US)
    longer, (start, end) = hesitate(speech, 2, 0.5)
    assert end - start == pytest.approx(0.5)
    assert longer.duration_s == pytest.approx(speech.duration_s + 0.5, abs=1e-3)
    assert np.all(longer.samples[round(start * RATE) + 1 : round(end * RATE) - 1] == 0)
    moved = [b.start_s - a.start_s for a, b in zip(speech.words, longer.words, strict=True)]
    assert moved == pytest.approx([0, 0, 0.5, 0.5])


def test_a_room_keeps_the_direct_sound_and_adds_a_decaying_tail() -> None:
    click = np.zeros(RATE, np.float32)
    click[100] = 1
    heard = reverberate(click, np.random.default_rng(0))
    assert heard[100] == pytest.approx(1, abs=0.01)
    tail = heard[101:] ** 2
    assert tail.sum() <= 10**-1.0 * 1.01  # at most -10 dB
    assert tail[: RATE // 20].sum() > tail[RATE // 5 : RATE // 4].sum() * 5


def test_noise_has_unit_level_and_a_cheap_microphone_has_no_treble() -> None:
    rng = np.random.default_rng(1)
    noise = coloured_noise(RATE * 4, rng)
    assert np.sqrt(np.mean(noise**2)) == pytest.approx(1, rel=0.1)
    white = rng.standard_normal(RATE * 2).astype(np.float32)
    frequency, power = welch(through_rate(white, 8000), RATE, nperseg=1024)
    assert power[frequency > 4300].max() < 1e-3 * power[frequency < 3000].mean()


def test_a_bank_is_the_same_for_any_number_of_processes() -> None:
    texts = ["Where is the exit?", "See you later."]
    one, two = (build_bank(texts, 0.005, 3, processes) for processes in (1, 2))
    assert one.hours >= 0.005
    assert np.array_equal(one.clean, two.clean) and np.array_equal(one.labels, two.labels)
    assert len(one.clean) == len(one.heard) == len(one.labels) * LABEL_HOP


def test_phones_are_labelled_every_10_ms() -> None:
    speech = speak("See.", US)
    names = ["_"]
    labels = label_phones(speech, names)
    assert [names[label] for label in labels[[3, 25]]] == ["s", "i"]


def test_without_a_synthesiser_a_training_says_what_to_install_wherever_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    assert main(["train", "--output", str(tmp_path / "model")]) == 2
    said = capsys.readouterr().err
    assert "espeakng_loader" in said and "requirements-training.txt" in said
    assert "personaplex_ros[training]" in said  # without a source tree there is no such file
    assert not list(tmp_path.iterdir())
