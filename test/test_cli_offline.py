"""The command line as a user meets it: answering a recording, and telling what is wrong."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from listening_support import NANO, constant_head, linked, with_head
from matplotlib.image import imread
from reference import REFERENCE, ROOT, golden, needs_reference

from personaplex_ros.audio.resample import resample
from personaplex_ros.cli import main

RATE = 24000


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Return 6.5 s with a question, in stereo at a rate that is not the model's."""
    path = tmp_path / "caller.wav"
    question, rate = soundfile.read(ROOT / "config" / "demo" / "caller.wav", frames=156000)
    mono = resample(question, rate, 44100)
    soundfile.write(path, np.stack([mono, mono * 0.5], axis=1), 44100)
    return path


def test_the_answer_is_as_long_as_the_question(recording: Path, tmp_path: Path) -> None:
    wave, text = tmp_path / "answer.wav", tmp_path / "answer.json"
    assert main(["offline", "--input-wav", str(recording), "--output-wav", str(wave),
                 "--output-text", str(text)]) == 0  # fmt: skip
    answer, rate = soundfile.read(wave)
    frames = soundfile.info(recording).frames
    assert rate == RATE
    assert len(answer) == round(frames * RATE / 44100)
    entries = json.loads(text.read_text())
    assert len(entries) == -(-len(answer) // 1920)
    assert all(isinstance(entry, str) and entry for entry in entries)
    assert {"PAD", "EPAD"} & set(entries)


def test_a_caller_whose_channels_cancel_each_other_is_heard(
    recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    samples, rate = soundfile.read(recording)
    soundfile.write(recording, np.stack([samples[:, 0], -samples[:, 0]], axis=1), rate)
    assert main(["offline", "--input-wav", str(recording), "--seed", "1"]) == 0
    out = capsys.readouterr().out
    assert "caller.wav: its two channels cancel each other: only the louder" in out
    assert len(re.findall(r"^text: .*\w", out, re.MULTILINE)) == 1


@pytest.mark.parametrize(
    ("name", "container"), [("a.flac", "FLAC"), ("a.ogg", "OGG"), ("A.WAV", "WAV"), ("a", "WAV")]
)
def test_the_answer_has_the_format_of_its_name(tmp_path: Path, name: str, container: str) -> None:
    soundfile.write(tmp_path / "in.wav", np.zeros(RATE // 5), RATE)
    words = ["offline", "--input-wav", str(tmp_path / "in.wav"), "--text-prompt", ""]
    assert main([*words, "--voice-prompt", "", "--output-wav", str(tmp_path / name)]) == 0
    told = soundfile.info(tmp_path / name)
    assert (told.format, told.frames, told.samplerate) == (container, RATE // 5, RATE)


def test_a_seed_repeats_a_conversation_and_another_changes_it(
    recording: Path, tmp_path: Path
) -> None:
    answers = []
    for seed in ("1", "1", "2"):
        path = tmp_path / "answer.wav"
        main(["offline", "--input-wav", str(recording), "--output-wav", str(path),
              "--seed", seed, "--temp-audio", "2"])  # fmt: skip
        answers.append(soundfile.read(path)[0])
    assert np.array_equal(answers[0], answers[1])
    assert not np.array_equal(answers[0], answers[2])


@needs_reference
def test_the_command_reproduces_the_golden_waveform(tiny_checkpoint: Path, tmp_path: Path) -> None:
    expected = golden("wav")
    path = tmp_path / "answer.wav"
    text = tmp_path / "answer.json"
    status = main([
        "offline", "--greedy", "--device", "cpu", "--output-wav", str(path),
        "--output-text", str(text),
        "--input-wav", str(REFERENCE / "audio" / "input_service.wav"),
        "--moshi-weight", str(tiny_checkpoint / "model.safetensors"),
        "--voice-prompt-dir", str(REFERENCE / "audio"), "--voice-prompt", "voice.wav",
        "--text-prompt", str(expected["prompt"]),
    ])  # fmt: skip
    assert status == 0
    assert np.abs(soundfile.read(path)[0] - expected["pcm"]).max() <= 1e-4
    assert json.loads(text.read_text()) == json.loads(str(expected["text"]))


def test_the_timeline_shows_and_plays_the_conversation(recording: Path, tmp_path: Path) -> None:
    assert main(["offline", "--input-wav", str(recording),
                 "--timeline", str(tmp_path / "talk.png")]) == 0  # fmt: skip
    picture = imread(tmp_path / "talk.png")
    assert picture.shape[1] > 2000 and picture.std() > 0.05
    assert "audio/ogg" in (tmp_path / "talk.html").read_text()


def test_what_the_caller_says_is_told_where_the_checkpoint_can(
    recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nano = with_head(NANO, tmp_path / "nano", constant_head(256, ["floor", "room"], output=2))
    words = ["offline", "--input-wav", str(recording), "--checkpoint"]
    assert main([*words, str(nano), "--user-transcript", "--timeline", str(tmp_path / "a")]) == 0
    said = re.findall(r"^user, (.*) to .* s: (.*)$", capsys.readouterr().out, re.MULTILINE)
    assert float(said[0][0]) == pytest.approx(1.06, abs=0.4)
    assert set(said[0][1].split()) == {"room"}
    assert '"heard": [{"text": "room' in (tmp_path / "a.html").read_text()
    plain = linked(NANO, tmp_path / "plain")
    assert main([*words, str(plain), "--user-transcript"]) == 2
    assert "has no listening.safetensors" in capsys.readouterr().err
    assert main([*words, str(plain)]) == 0
    assert "user, " not in capsys.readouterr().out


def test_the_time_of_each_part_is_told(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["offline", "--input-wav", str(recording)])
    lines = capsys.readouterr().out.splitlines()
    shares = {line.split()[0]: line.split()[-1] for line in lines if line.endswith("%")}
    assert list(shares) == ["encode", "temporal", "depth", "decode", "total"]
    parts = [int(share.rstrip("%")) for name, share in shares.items() if name != "total"]
    assert abs(sum(parts) - 100) <= 2
    assert "times real time" in lines[-1]


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (["--input-wav", "nowhere.wav"], "nowhere.wav"),
        (["--checkpoint", "no-such-model"], "no-such-model"),
        (["--persona", "pirate"], "receptionist"),
        (["--voice-prompt", "NATF9"], "NATF0"),
        (["--temp-text", "0"], "text_temperature"),
        (["--topk-audio", "0"], "audio_top_k"),
        (["--device", "quantum"], "quantum"),
        (["--output-wav", "no/such/folder/answer.wav"], "no/such/folder"),
        (["--timeline", "no/such/folder/talk.png"], "no/such/folder"),
        (["--output-wav", "answer.mp3"], "no sound is written as '.mp3'"),
        (["--checkpoint", ""], "--checkpoint is empty"),
        (["--checkpoint="], "--checkpoint is empty"),
        (["--output-text", " "], "--output-text is empty"),
        (["--output-wav", "caller.wav"], "--output-wav would write over caller.wav, which is that"),
        (["--output-wav", "link.wav"], "that of --input-wav"),
        (["--output-wav", "answer", "--output-text", "./answer"], "that of --output-wav"),
        (["--output-text", "talk.html", "--timeline", "talk"], "that of --output-text"),
        (["--voice-prompt", "voice.wav", "--output-wav", "voice.wav"], "that of --voice-prompt"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(
    recording: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    names: str,
) -> None:
    monkeypatch.chdir(recording.parent)
    Path("link.wav").symlink_to(recording)
    before = recording.read_bytes()
    assert main(["offline", "--input-wav", str(recording), *options]) == 2
    assert recording.read_bytes() == before
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("personaplex: error: ") and names in error


def test_the_module_is_the_command() -> None:
    run = [sys.executable, "-m", "personaplex_ros"]
    told = subprocess.run([*run, "--help"], capture_output=True, text=True, check=True).stdout
    for command in ("offline", "demo", "node", "download", "doctor"):
        assert f"\n    {command} " in told
    unknown = subprocess.run([*run, "doctor", "--sing"], capture_output=True, text=True)
    assert unknown.returncode == 2 and "--sing" in unknown.stderr
