"""Running a model over a benchmark's folders, hearing what it says, and nano on a synthetic one."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reference import speech_like

from personaplex_ros.audio import read_wave, to_mono, write_wave
from personaplex_ros.benchmark.quirks import Quirks
from personaplex_ros.benchmark.recogniser import load_recogniser
from personaplex_ros.benchmark.runner import Model, run_model, unanswered
from personaplex_ros.benchmark.sample import Sample, read_samples
from personaplex_ros.benchmark.tasks import TASKS
from personaplex_ros.benchmark.voice_activity import speech_listener
from personaplex_ros.cli import main
from personaplex_ros.cli.evaluate import add_arguments, measured_persona
from personaplex_ros.engine import Engine, Persona, Sampling, load_persona
from personaplex_ros.training.evaluation.measures import word_errors
from personaplex_ros.training.evaluation.sound import first_sound, sounding
from personaplex_ros.training.voices.speakers import AGENTS
from personaplex_ros.training.voices.speech import RATE, speak
from personaplex_ros.training.world import plain

SECONDS = (1.3, 0.5, 0.9)
SAMPLING = Sampling(greedy=True)


@pytest.fixture
def samples(tmp_path: Path) -> list[Sample]:
    """Return samples of several lengths and rates."""
    for number, (seconds, rate) in enumerate(zip(SECONDS, (24000, 16000, 48000), strict=True)):
        (tmp_path / str(number)).mkdir()
        sound = speech_like(seconds, seed=number, rate=rate)
        write_wave(tmp_path / str(number) / "input.wav", sound, rate)
    return read_samples(tmp_path, TASKS["pause_handling"])


def model(checkpoint: Path, slots: int = 2) -> Model:
    engine = Engine.load(checkpoint, device="cpu", slots=slots)
    return Model(engine, Persona("plain"), SAMPLING, seed=3, slots=slots)


def test_an_output_is_as_long_as_its_input(small_checkpoint: Path, samples: list[Sample]) -> None:
    done = []
    run_model(model(small_checkpoint), samples, lambda count, of: done.append((count, of)))
    for sample, seconds in zip(samples, SECONDS, strict=True):
        assert len(read_wave(sample.output).samples) == round(seconds * RATE)
    assert done == [(1, 3), (2, 3), (3, 3)]


def test_an_output_is_in_step_with_its_input(small_checkpoint: Path, samples: list[Sample]) -> None:
    run_model(model(small_checkpoint), samples, lambda count, of: None)
    alone = Engine.load(small_checkpoint, device="cpu")
    session = alone.open(Persona("plain"), SAMPLING, 3)
    user = to_mono(read_wave(samples[0].input).samples)
    size = alone.frame_size
    frames = np.pad(user, (0, -len(user) % size)).reshape(-1, size)
    expected = np.concatenate([session.push(frame).audio for frame in frames])[: len(user)]
    said = to_mono(read_wave(samples[0].output).samples)
    assert np.abs(np.clip(expected, -1, 1) - said).max() < 1e-3


def test_a_run_that_was_stopped_goes_on(small_checkpoint: Path, samples: list[Sample]) -> None:
    def stop(count: int, of: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_model(model(small_checkpoint), samples, stop)
    left = unanswered(samples)
    assert [sample.name for sample in left] == ["0", "2"]  # the shorter of the first two is done
    assert {path.name for path in left[0].folder.iterdir()} == {"input.wav"}
    kept = samples[1].output.stat().st_mtime_ns
    run_model(model(small_checkpoint), left, lambda count, of: None)
    assert unanswered(samples) == []
    assert samples[1].output.stat().st_mtime_ns == kept


def test_a_new_output_takes_the_words_of_the_old_away(
    small_checkpoint: Path, samples: list[Sample]
) -> None:
    samples[1].words.write_text("{}")
    run_model(model(small_checkpoint), samples[1:2], lambda count, of: None)
    assert not samples[1].words.exists()


def test_an_output_of_another_input_is_told(samples: list[Sample]) -> None:
    write_wave(samples[0].output, np.zeros(RATE, np.float32), RATE)
    with pytest.raises(ValueError, match=r"0/output.wav lasts 1.00 s and its input 1.30 s.*--over"):
        unanswered(samples)


def said(text: str, at_s: float, length_s: float) -> np.ndarray:
    """Return silence with a sentence in it: float32 [n] at 24 kHz."""
    speech = speak(text, AGENTS["NATF0"])
    sound = np.zeros(round(length_s * RATE), np.float32)
    first = round(at_s * RATE)
    sound[first : first + len(speech.samples)] = speech.samples
    return sound


def test_speech_is_found_where_it_is() -> None:
    text = "The meeting room is on the second floor."
    sound, end_s = said(text, 2.0, 6.0), 2.0 + speak(text, AGENTS["NATF0"]).duration_s
    found = speech_listener()(sound, RATE)
    assert found[0][0] == pytest.approx(2.0, abs=0.1)
    assert found[-1][1] == pytest.approx(end_s, abs=0.1)
    assert speech_listener()(np.zeros(3 * RATE, np.float32), RATE) == []


def test_published_scripts_round_its_times() -> None:
    sound = said("The meeting room is on the second floor.", 2.04, 6.0)
    exact, rounded = (
        speech_listener(Quirks(rounded_segments=on))(sound, RATE) for on in (False, True)
    )
    assert rounded == [(round(start_s, 1), round(end_s, 1)) for start_s, end_s in exact]
    assert rounded != exact


def test_words_are_heard_offline_and_when_they_are_said() -> None:
    text = "The meeting room is on the second floor."
    heard = load_recogniser("pocketsphinx")(said(text, 1.5, 5.0), RATE)
    spoken = speak(text, AGENTS["NATF0"])
    assert word_errors(plain(text).split(), [word.text for word in heard]) <= 4
    assert heard[0].start_s == pytest.approx(1.5, abs=0.1)
    assert heard[-1].end_s == pytest.approx(1.5 + spoken.duration_s, abs=0.15)
    truth = [(plain(word.text), word.start_s + 1.5) for word in spoken.words]
    timely = [
        word
        for word in heard
        for text, start_s in truth
        if text == word.text and word.start_s == pytest.approx(start_s, abs=0.12)
    ]
    assert len(timely) >= 4  # of eight: what is misheard may be heard elsewhere


def test_nothing_is_heard_in_silence() -> None:
    assert list(load_recogniser("pocketsphinx")(np.zeros(2 * RATE, np.float32), RATE)) == []


def test_another_recogniser_can_be_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, samples: list[Sample]
) -> None:
    (tmp_path / "my_ears.py").write_text(
        "from personaplex_ros.benchmark.words import HeardWord\n"
        "def hear(samples, rate):\n"
        "    return [HeardWord('all', 0.0, len(samples) / rate)]\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "my_ears", raising=False)
    for sample in samples:
        write_wave(sample.output, np.zeros(round(1.5 * 16000), np.float32), 16000)
    result = tmp_path / "scores.json"
    words = ["evaluate", "--task", "pause_handling", "--data", str(tmp_path), "--score-only"]
    assert main([*words, "--recogniser", "my_ears:hear", "--json", str(result)]) == 0
    content = json.loads(result.read_text())
    assert content["tor"] == 1.0
    assert content["per_sample"][0]["words"] == [{"text": "all", "start_s": 0.0, "end_s": 1.5}]


@pytest.mark.parametrize("name", ["whisper", "no_such_module:hear", "json:no_such_function"])
def test_a_recogniser_that_is_not_there_is_told(name: str) -> None:
    with pytest.raises((ValueError, ImportError), match=f"recogniser '{name}'"):
        load_recogniser(name)


@pytest.mark.parametrize(
    ("options", "text", "voice"),
    [
        ([], "You enjoy having a good conversation.", "NATF2"),
        (["--voice-prompt", "VARM1"], "You enjoy having a good conversation.", "VARM1"),
        (["--text-prompt", "You work for a hotel."], "You work for a hotel.", "NATF2"),
        (["--persona", "receptionist"], load_persona("receptionist").text_prompt, "NATF2"),
        (["--synthetic", "5"], load_persona("receptionist").text_prompt, "NATF2"),
    ],
)
def test_a_task_is_measured_with_the_published_role(
    options: list[str], text: str, voice: str
) -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    words = ["--task", "pause_handling", "--data", "somewhere", *options]
    persona = measured_persona(parser.parse_args(words), TASKS["pause_handling"])
    assert persona.text_prompt == text
    assert persona.voice is not None and Path(persona.voice).stem == voice


def measured(task: str, folder: Path, *options: str) -> dict[str, Any]:
    """Return the scores of nano on samples that are synthesised, or of what is there."""
    words = ["evaluate", "--task", task, "--data", str(folder / task), "--json"]
    assert main([*words, str(folder / f"{task}.json"), *options]) == 0
    scores: dict[str, Any] = json.loads((folder / f"{task}.json").read_text())
    return scores


# Synthetic callers never sound twice the same: the bars leave one sample to chance.
NANO = ("--synthetic", "2", "--slots", "2")


def test_nano_takes_the_turn_when_it_is_its_own(tmp_path: Path) -> None:
    pictures = tmp_path / "worst"
    options = (*NANO, "--timelines", str(pictures), "--worst", "1")
    scores = measured("smooth_turn_taking", tmp_path, *options)
    assert scores["tor"] >= 0.5
    assert 0.1 < scores["latency_s"] < 0.7
    for sample in scores["per_sample"]:  # against the truth: when its sound begins
        wave = read_wave(tmp_path / "smooth_turn_taking" / sample["sample"] / "output.wav")
        if not sample["tor"]:
            continue
        end_s = sample["event_s"][0]
        onset_s = first_sound(sounding(to_mono(wave.samples), wave.rate), 0.0, wave.duration_s)
        assert onset_s is not None
        assert sample["latency_s"] == pytest.approx(onset_s - end_s, abs=0.15)
    assert len(list(pictures.glob("*.png"))) == len(list(pictures.glob("*.html"))) == 1


def test_nano_waits_in_a_pause(tmp_path: Path) -> None:
    scores = measured("pause_handling", tmp_path, *NANO)
    assert scores["tor"] <= 0.5
    pauses = json.loads((tmp_path / "pause_handling" / "1" / "pause.json").read_text())
    sound = to_mono(read_wave(tmp_path / "pause_handling" / "1" / "input.wav").samples)
    begin_s, end_s = pauses[0]["timestamp"]
    inside = sound[round((begin_s + 0.02) * RATE) : round((end_s - 0.02) * RATE)]
    assert np.sqrt(np.mean(inside**2)) < 0.2 * np.sqrt(np.mean(sound**2))


def test_nano_answers_who_interrupts_it(tmp_path: Path) -> None:
    scores = measured("user_interruption", tmp_path, *NANO)
    assert scores["tor"] >= 0.5
    assert 0.1 < scores["latency_s"] < 0.7


def test_nano_murmurs_where_people_would(tmp_path: Path) -> None:
    scores = measured("backchannel", tmp_path, "--synthetic", "1")
    assert scores["tor"] == 0.0
    assert scores["frequency"] > 0.1
    assert scores["jsd"] < 0.6
    folder = tmp_path / "backchannel" / "1"  # and a model that says nothing does not
    length = len(read_wave(folder / "input.wav").samples)
    write_wave(folder / "output.wav", np.zeros(length, np.float32), RATE)
    (folder / "output.json").unlink()
    silent = measured("backchannel", tmp_path, "--score-only")
    assert (silent["tor"], silent["frequency"], silent["jsd"]) == (0.0, 0.0, 1.0)
