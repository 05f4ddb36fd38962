"""Personas: their files, their text between tags, and the prompt that is made of them."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
import torch
from reference import LM, ROOT, speech_like, talk, write_checkpoint

from personaplex_ros.audio import write_wave
from personaplex_ros.engine import Engine, Persona, load_persona
from personaplex_ros.lm import LMConfig
from personaplex_ros.persona import tagged
from personaplex_ros.prompt import expect_room, prompt_frames


def written(folder: Path, text: str) -> Path:
    path = folder / "someone.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["receptionist", "teacher", "casual"])
def test_bundled_personas_are_found_by_name(name: str) -> None:
    persona = load_persona(name)
    assert persona.name == name and persona.voice
    assert persona.text_prompt == persona.text_prompt.strip() != ""
    assert load_persona(ROOT / "config" / "personas" / f"{name}.yaml") == persona


def test_a_persona_file_is_read(tmp_path: Path) -> None:
    path = written(tmp_path, "name: Zoë\ntext_prompt: You are Zoë.\nvoice: NATF0\n")
    assert load_persona(path) == Persona("Zoë", "You are Zoë.", "NATF0")


def test_what_a_persona_file_leaves_out_is_empty(tmp_path: Path) -> None:
    assert load_persona(written(tmp_path, "text_prompt: null\n")) == Persona("someone", "", None)


def test_a_voice_beside_the_file_is_found(tmp_path: Path) -> None:
    (tmp_path / "me.wav").touch()
    persona = load_persona(written(tmp_path, "voice: me.wav\n"))
    assert persona.voice == str(tmp_path / "me.wav")


def test_an_unknown_persona_is_refused_with_the_known_ones() -> None:
    with pytest.raises(FileNotFoundError, match=r"no persona 'butler'.*casual.*receptionist"):
        load_persona("butler")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("name: [", "line 1: not valid YAML"),
        ("name: a\nvoice:\tb\n\ttext_prompt: c\n", "line 2: not valid YAML.*not tabs"),
        ("name: a\nvoice: b\nname: c\n", "line 3: not valid YAML: the key 'name' stands twice"),
        ("name: a\nvoice: 2026-13-45\n", "not valid YAML: month"),
        ("name: a\nvoice: \x01\n", "line 2 is not valid YAML: unacceptable character"),
        ("[" * 10000, "not valid YAML"),
        ("- one\n- two\n", r"must hold a mapping .* it holds \['one', 'two'\]"),
        ("", "must hold"),
        ("name: a\nvoices: b\nmood: c\n", "unknown mood, voices"),
        ("text_prompt: [1, 2]\nname: 7\n", "text_prompt, name must be text"),
    ],
)
def test_a_wrong_persona_file_is_refused_by_name(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem) as error:
        load_persona(written(tmp_path, text))
    assert "someone.yaml" in str(error.value)


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "utf-16-le"])
def test_a_persona_in_another_encoding_is_told_with_its_line(tmp_path: Path, encoding: str) -> None:
    path = written(tmp_path, "")
    path.write_bytes("voice: NATF2\nname: Zoë\n".encode(encoding))
    kind, line = ("LATIN1", 2) if encoding == "latin-1" else ("UTF-16", 1)
    with pytest.raises(
        ValueError, match=rf"someone\.yaml, line {line}: .*iconv -f {kind} -t UTF-8"
    ):
        load_persona(path)


def test_a_byte_order_mark_is_no_part_of_a_persona(tmp_path: Path) -> None:
    path = written(tmp_path, "")
    path.write_text("name: Zoë\n", encoding="utf-8-sig")
    assert load_persona(path).name == "Zoë"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Be kind.", "<system> Be kind. <system>"),
        ("  Be kind.\n", "<system> Be kind. <system>"),
        ("<system> Be kind. <system>", "<system> Be kind. <system>"),
        (" <system> Be kind. <system> ", "<system> Be kind. <system>"),
        ("", ""),
        (" \n", ""),
    ],
)
def test_system_tags_are_added_once(text: str, expected: str) -> None:
    assert tagged(text) == expected


def test_the_prompt_has_voice_pause_text_and_pause() -> None:
    voice = torch.arange(8 * 5).view(8, 5)
    frames = prompt_frames(LM, 12.5, voice, [31, 32, 33])
    pad = LM.text_padding
    assert frames[0].tolist() == [pad] * 5 + [pad] * 6 + [31, 32, 33] + [pad] * 6
    assert torch.equal(frames[1:9, :5], voice)
    assert torch.equal(frames[1:9, 5:], torch.tensor(LM.silence_codes)[:, None].expand(8, 15))
    assert torch.equal(frames[9:], torch.tensor(LM.sine_codes)[:, None].expand(8, 20))


def test_without_text_or_voice_only_the_pauses_are_left() -> None:
    frames = prompt_frames(LM, 12.5, None, [])
    assert frames.shape == (17, 12)
    assert frames[0].tolist() == [LM.text_padding] * 12


def test_pauses_follow_the_frame_rate() -> None:
    assert prompt_frames(LM, 25.0, None, []).shape == (17, 24)


def test_a_text_of_spaces_is_no_text(small_engine: Engine) -> None:
    spaces, nothing = (small_engine.prepare(Persona("x", text)) for text in (" \n ", ""))
    assert spaces.state.columns == nothing.state.columns == [11]


def test_tags_do_not_count_twice(small_engine: Engine) -> None:
    bare = small_engine.prepare(Persona("x", "Be kind."))
    already = small_engine.prepare(Persona("x", "<system> Be kind. <system>"))
    assert bare.state.columns == already.state.columns
    for ours, theirs in zip(bare.state.caches, already.state.caches, strict=True):
        assert torch.equal(ours.keys, theirs.keys)


def test_without_voice_text_or_pause_there_is_no_prompt(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path)
    config = json.loads((folder / "config.json").read_text()) | {"prompt_pause": 0}
    (folder / "config.json").write_text(json.dumps(config))
    engine = Engine.load(folder, device="cpu")
    session = engine.open(Persona("x"))
    assert session.position == 0
    results = [session.push(frame) for frame in talk(engine, 0.4)]
    assert not results[0].audio.any() and results[1].audio.any()


def test_a_prompt_too_long_for_the_context_is_refused_before_the_model_works(
    small_engine: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def works(*_: object, **__: object) -> None:
        raise AssertionError("the model works")

    voice = tmp_path / "long.wav"
    write_wave(voice, speech_like(12.0), 24_000)
    with monkeypatch.context() as patch:
        for part in (small_engine.lm, small_engine.codec):
            patch.setattr(part, "forward", works)
        patch.setattr(small_engine.lm, "prefill", works)
        patch.setattr(small_engine.codec, "encode", works)
        with pytest.raises(
            ValueError, match=r"'x': its prompt takes \d{5} frames .*context has 64,"
        ):
            small_engine.prepare(Persona("x", "Be kind. " * 3000))
        with pytest.raises(ValueError, match=r"162 frames \(voice 150, silence 12, text 0\)"):
            small_engine.prepare(Persona("x", voice=str(voice)))
    small_engine.open(small_engine.prepare(Persona("x", "be kind")))


@pytest.mark.parametrize(("frames", "fits"), [(2250, True), (2251, False)])
def test_a_quarter_of_the_context_is_left_to_the_conversation(frames: int, fits: bool) -> None:
    room = (
        pytest.raises(ValueError, match=r"shorten it by 1 \(")
        if not fits
        else contextlib.nullcontext()
    )
    with room:
        expect_room(LMConfig(), 12.5, voice=50, text=frames - 62)


def test_emoji_do_not_keep_a_persona_from_being_read(small_engine: Engine) -> None:
    plain, decorated = (small_engine.prepare(Persona("x", t)) for t in ("be kind", "be kind 😀"))
    assert "U+1F600 GRINNING FACE" in decorated.left_out and not plain.left_out
    assert decorated.state.columns == plain.state.columns


def test_a_prompt_in_letters_that_the_model_does_not_know_is_refused(small_engine: Engine) -> None:
    with pytest.raises(ValueError, match=r"persona 'x': .* does not know '你' \(U\+4F60"):
        small_engine.prepare(Persona("x", "你是谁"))
