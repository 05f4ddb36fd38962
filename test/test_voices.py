"""Voice prompts: where they are found, what is made of them, and what is refused."""

from __future__ import annotations

import io
import os
import pickle
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyloudnorm
import pytest
import torch
from reference import GREEDY, LM, converse, speech_like, talk, write_checkpoint

from personaplex_ros.audio.wave import write_wave
from personaplex_ros.checkpoint import EmbeddedVoice, WaveVoice, find_voice, load_voice
from personaplex_ros.checkpoint.embedded_voice import LARGEST
from personaplex_ros.engine import Engine, Persona

WIDTH = 4


def content(seed: int = 0, columns: int = 9) -> dict[str, torch.Tensor]:
    """Return a random voice in the published form."""
    generator = torch.Generator().manual_seed(seed)
    embeddings = torch.randn(columns, 1, 1, LM.dim, generator=generator)
    grid = torch.randint(LM.text_cardinality, (1, LM.rows, WIDTH), generator=generator)
    return {"embeddings": embeddings, "cache": grid}


def saved(path: Path, what: Any) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(what, path)
    return str(path)


def packed(archive: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(archive, "w:gz") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return archive


def bytes_of(what: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(what, buffer)
    return buffer.getvalue()


def test_a_voice_is_the_same_from_a_file_a_folder_and_an_archive(tmp_path: Path) -> None:
    here = write_checkpoint(tmp_path / "folder")
    saved(here / "voices" / "ANN.pt", content())
    there = write_checkpoint(tmp_path / "archive")
    packed(there / "voices.tgz", {"voices/BOB.pt": bytes_of(content(1)),
                                  "voices/ANN.pt": bytes_of(content())})  # fmt: skip
    files = sorted(there.iterdir())
    conversations = []
    for folder, voice in ((here, str(here / "voices" / "ANN.pt")), (here, "ANN"), (there, "ANN"),
                          (there, "ANN.pt"), (there, "BOB")):  # fmt: skip
        engine = Engine.load(folder, device="cpu")
        session = engine.open(Persona("x", "Be kind.", voice), GREEDY)
        conversations.append(converse(session, talk(engine, 0.8)))
    assert all(conversation == conversations[0] for conversation in conversations[:4])
    assert conversations[4] != conversations[0]
    assert sorted(there.iterdir()) == files, "nothing is extracted"


def test_given_folders_come_before_the_checkpoint(tmp_path: Path, small_checkpoint: Path) -> None:
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    expected = saved(mine / "ANN.pt", content())
    saved(theirs / "voices" / "ANN.pt", content(1))
    assert find_voice("ANN", [mine, theirs]) == expected
    assert find_voice("ANN", [theirs, mine]) == str(theirs / "voices" / "ANN.pt")
    engine = Engine.load(small_checkpoint, device="cpu", voice_folders=[mine])
    assert engine.prepare(Persona("x", voice="ANN")).state.columns == [9 + 1 + 12 - 1]


def test_an_unknown_voice_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    saved(tmp_path / "voices" / "ANN.pt", content())
    packed(tmp_path / "voices.tgz", {"voices/BOB.pt": b"", "voices/notes.txt": b""})
    with pytest.raises(FileNotFoundError, match=r"no voice 'EVE'.*there are: ANN, BOB$") as error:
        find_voice("EVE", [tmp_path])
    assert str(tmp_path) in str(error.value)


@pytest.mark.parametrize(("rate", "channels"), [(44100, 2), (8000, 1), (48000, 3), (24000, 1)])
def test_a_wave_of_any_kind_becomes_level_mono_at_24_khz(
    tmp_path: Path, rate: int, channels: int
) -> None:
    time = np.arange(2 * rate) / rate
    tone = 0.05 * np.sin(2 * np.pi * 440 * time) * (1 + np.sin(2 * np.pi * 3 * time))
    # Each channel has something of its own, which the average of two does not have; of more the
    # first is heard.
    own = 0.05 * np.sin(2 * np.pi * 1000 * time)
    sides = [tone + own * (2 * k - channels + 1) for k in range(channels)]
    if channels > 2:
        sides = [tone, own, -tone]
    write_wave(tmp_path / "voice.wav", np.stack(sides, axis=1), rate)
    voice = load_voice(str(tmp_path / "voice.wav"), 24000)
    assert isinstance(voice, WaveVoice)
    assert voice.samples.shape == (48000,) and voice.samples.dtype == np.float32
    loudness = pyloudnorm.Meter(24000).integrated_loudness(voice.samples.astype(float))
    assert loudness == pytest.approx(-24, abs=0.05)
    time = np.arange(48000) / 24000
    expected = np.sin(2 * np.pi * 440 * time) * (1 + np.sin(2 * np.pi * 3 * time))
    assert np.corrcoef(voice.samples[100:-100], expected[100:-100])[0, 1] > 0.9999


def test_a_stereo_wave_voice_starts_a_conversation(small_engine: Engine, tmp_path: Path) -> None:
    sound = speech_like(1.0, rate=44100)
    write_wave(tmp_path / "voice.wav", np.stack([sound, 0.5 * sound], axis=1), 44100)
    persona = Persona("x", "Be kind.", str(tmp_path / "voice.wav"))
    with_voice = small_engine.prepare(persona)
    assert with_voice.state.columns[0] - small_engine.prepare(
        Persona("x", "Be kind.")
    ).state.columns[0] == 13  # 12.5 frames, the last one filled up  # fmt: skip
    assert small_engine.open(with_voice).push(np.zeros(1920, np.float32)).index == 0


@pytest.mark.parametrize(
    ("samples", "problem"), [(np.zeros(24000), "silent"), (np.ones(2400) * 0.1, "too short")]
)
def test_a_wave_without_a_voice_is_refused_by_name(
    tmp_path: Path, samples: np.ndarray, problem: str
) -> None:
    write_wave(tmp_path / "quiet.wav", samples, 24000)
    with pytest.raises(ValueError, match=rf"quiet\.wav.*{problem}"):
        load_voice(str(tmp_path / "quiet.wav"), 24000)


class Intruder:
    """Runs a command when it is unpickled."""

    def __init__(self, trace: Path):
        self.trace = trace

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        """Name the command."""
        return os.system, (f"touch {self.trace}",)


@pytest.mark.parametrize("kind", ["torch", "pickle", "inside", "archive"])
def test_a_voice_that_would_run_code_is_refused_and_runs_none(tmp_path: Path, kind: str) -> None:
    trace, path = tmp_path / "it-was-here", tmp_path / "EVE.pt"
    intruder = Intruder(trace)
    inside = content() | {"embeddings": intruder}
    if kind == "pickle":
        path.write_bytes(pickle.dumps(intruder, protocol=2))
    elif kind == "archive":
        packed(tmp_path / "voices.tgz", {"voices/EVE.pt": bytes_of(inside)})
    else:
        saved(path, intruder if kind == "torch" else inside)
    with pytest.raises(ValueError, match=r"EVE\.pt"):
        load_voice(find_voice("EVE", [tmp_path]), 24000)
    assert not trace.exists()
    # The trap works: whoever trusts the file runs it.
    if kind == "pickle":
        pickle.loads(path.read_bytes())
        assert trace.exists()


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({}, "embeddings"),
        ([1, 2], "embeddings"),
        ("text", "embeddings"),
        ({"embeddings": torch.zeros(9, 64), "cache": torch.zeros(1, 17, 4)}, "embeddings"),
        ({"embeddings": 7, "cache": 8}, "embeddings"),
        ({"embeddings": torch.zeros(0, 1, 1, 64), "cache": torch.zeros(1, 17, 4)}, "no columns"),
        (content() | {"embeddings": torch.full((9, 1, 1, 64), torch.nan)}, "not finite"),
        (content() | {"embeddings": torch.zeros(9, 1, 1, 64, dtype=torch.int64)}, "float"),
        (content() | {"embeddings": torch.zeros(9, 1, 1, 64).to_sparse()}, "not a plain tensor"),
        (content() | {"embeddings": torch.zeros(9, 1, 1, 64, device="meta")}, "not a plain"),
        (content() | {"embeddings": torch.zeros(1).expand(10**12, 1, 1, 64)}, "larger than any"),
        (content() | {"cache": torch.zeros(1, 0, 4, dtype=torch.int64)}, r"cache` is \[1, 0, 4\]"),
        (content() | {"cache": torch.zeros(0, 17, 4, dtype=torch.int64)}, "cache"),
        (content() | {"cache": torch.zeros(2, 17, 4, dtype=torch.int64)}, "cache"),
        (content() | {"cache": torch.zeros(1, 17, 4, dtype=torch.bool)}, r"torch\.bool"),
        (content() | {"cache": torch.full((1, 17, 4), torch.nan)}, "ids are int64"),
        (content() | {"cache": "text"}, "no tensor `cache`"),
        (content() | {"embeddings": Path("x")}, "it holds other objects than"),
    ],
)
def test_a_file_that_is_no_voice_is_refused_by_name(
    tmp_path: Path, wrong: Any, problem: str
) -> None:
    path = saved(tmp_path / "EVE.pt", wrong)
    with pytest.raises(ValueError, match=rf"EVE\.pt.*{problem}") as told:
        load_voice(path, 24000)
    assert "weights_only" not in str(told.value), "nobody is advised to run what a file holds"


def test_a_file_that_says_it_is_huge_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "EVE.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("EVE/data.pkl", b"0" * (LARGEST + 1))
    with pytest.raises(ValueError, match=r"EVE\.pt.*more than any voice"):
        load_voice(str(path), 24000)


@pytest.mark.parametrize("data", [b"", b"no zip at all", bytes_of(content())[:-400]])
def test_a_damaged_voice_is_refused_by_name(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "EVE.pt").write_bytes(data)
    with pytest.raises(ValueError, match=r"EVE\.pt"):
        load_voice(str(tmp_path / "EVE.pt"), 24000)


@pytest.mark.parametrize("part", [0, 0.01, 0.5])
def test_a_damaged_archive_is_refused_by_name(tmp_path: Path, part: float) -> None:
    archive = packed(tmp_path / "voices.tgz", {"voices/ANN.pt": bytes_of(content())})
    data = archive.read_bytes()
    archive.write_bytes(data[: int(part * len(data))])
    with pytest.raises(ValueError, match=r"voices\.tgz.*download it again"):
        load_voice(find_voice("ANN", [tmp_path]), 24000)


def test_a_link_in_an_archive_is_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret.pt"
    saved(secret, content())
    with tarfile.open(tmp_path / "voices.tgz", "w:gz") as tar:
        info = tarfile.TarInfo("voices/EVE.pt")
        info.type, info.linkname = tarfile.SYMTYPE, str(secret)
        tar.addfile(info)
    with pytest.raises(ValueError, match=r"voices\.tgz.*EVE\.pt is not a regular file"):
        load_voice(find_voice("EVE", [tmp_path]), 24000)


@pytest.mark.parametrize(
    "foreign",
    [
        content() | {"embeddings": torch.zeros(9, 1, 1, 4096)},
        content() | {"cache": torch.zeros(1, 9, 4, dtype=torch.int64)},
        content() | {"cache": torch.zeros(1, 17, 5, dtype=torch.int64)},
        content() | {"cache": torch.full((1, 17, 4), 5000)},
        content() | {"cache": torch.full((1, 17, 4), -7)},
    ],
    ids=["width", "rows", "columns", "ids too large", "ids too small"],
)
def test_a_voice_of_another_model_is_refused(
    small_engine: Engine, tmp_path: Path, foreign: dict[str, torch.Tensor]
) -> None:
    path = saved(tmp_path / "EVE.pt", foreign)
    assert isinstance(load_voice(path, 24000), EmbeddedVoice)
    with pytest.raises(ValueError, match="another model"):
        small_engine.prepare(Persona("x", voice=path))
