"""What the person says, in words: the head, its file, and what an engine makes of both."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from listening_support import constant_head, linked, with_head
from reference import GREEDY, LM, talk
from safetensors.torch import save_file
from test_captured_frames import HOST, TALKER, Mark, Replayed, unpinned

from personaplex_ros.audio import read_wave
from personaplex_ros.checkpoint import load_listening_head, save_listening_head
from personaplex_ros.engine import Engine, Persona, StepTiming
from personaplex_ros.engine.frames import captured
from personaplex_ros.engine.frames.frame import FrameModels
from personaplex_ros.engine.words.listening import Listening
from personaplex_ros.lm.listening import NO_WORD, QUIET_BIAS, ListeningHead
from personaplex_ros.resources import share_directory
from personaplex_ros.training.conversations.corpus import caller_words
from personaplex_ros.training.evaluation.measures import word_errors
from personaplex_ros.training.learning.listening import known_head
from personaplex_ros.training.world import load_world

WORDS = ["floor", "meeting", "room", "straße"]
FILE = "listening.safetensors"


def random_head(seed: int = 0) -> ListeningHead:
    """Return a head that says something in about every other frame of a random model."""
    torch.manual_seed(seed)
    head = ListeningHead(LM.dim, WORDS)
    with torch.no_grad():
        head.weight.normal_(std=1.0)
        head.bias.zero_()
    return head


def test_a_word_must_be_six_times_as_likely_as_none() -> None:
    head = ListeningHead(1, WORDS)
    with torch.no_grad():
        head.weight.copy_(torch.tensor([[0.0], [0.0], [1.0], [0.0], [0.0]]))
        head.bias.copy_(torch.tensor([0.0, -9.0, 0.0, -9.0, -9.0]))
    hidden = torch.tensor([[QUIET_BIAS - 0.01], [QUIET_BIAS + 0.01], [-1.0]])
    assert head.choose(hidden).tolist() == [NO_WORD, 2, NO_WORD]
    assert head.choose(hidden.double()).tolist() == [NO_WORD, 2, NO_WORD], "any float is read"


def test_a_word_that_comes_again_at_once_is_the_same() -> None:
    listening = Listening(WORDS, 2)
    outputs = [0, 3, 3, 3, 3, 0, 3, 2, 3, 3, 0]
    said = [listening.follow(0, output) for output in outputs]
    assert said == ["", "room", "", "", "room", "", "", "meeting", "room", "", ""]
    assert listening.follow(1, 3) == "room", "each slot has its own last word"
    listening.restart(1)
    assert listening.follow(1, 3) == "room", "and a new conversation none"


def test_a_head_comes_back_from_its_file(tmp_path: Path) -> None:
    head = random_head()
    save_listening_head(head, tmp_path)
    loaded = load_listening_head(tmp_path, "cpu")
    assert loaded.words == tuple(WORDS) and loaded.weight.dtype == torch.float32
    torch.testing.assert_close(loaded.weight, head.weight.detach(), rtol=1e-3, atol=1e-3)
    assert not any(parameter.requires_grad for parameter in loaded.parameters())


def test_a_training_begins_with_a_head_only_for_the_words_that_it_is_for(tmp_path: Path) -> None:
    assert known_head(tmp_path, WORDS) is None
    save_listening_head(random_head(), tmp_path)
    head = known_head(tmp_path, WORDS)
    assert head is not None and head.words == tuple(WORDS)
    assert known_head(tmp_path, reversed(WORDS)) is None
    nano = known_head(share_directory() / "checkpoints" / "nano", caller_words(load_world()))
    assert nano is not None, "the bundled one is for the words of the bundled world"


TENSORS = {"weight": torch.zeros(5, LM.dim), "bias": torch.zeros(5)}


@pytest.mark.parametrize(
    ("tensors", "metadata", "told"),
    [
        (TENSORS, None, "does not tell the words it knows: `words` in its metadata"),
        (TENSORS, {"words": "floor"}, "must be a JSON list"),
        (TENSORS, {"words": "[1, 2, 3, 4]"}, "must be a JSON list"),
        (TENSORS, {"words": '["floor"]'}, r"weight is \[5, 64\], must be \[2, 64\]"),
        ({"bias": torch.zeros(5)}, {"words": json.dumps(WORDS)}, "missing: weight"),
        (TENSORS | {"bias": torch.full((5,), torch.nan)}, {"words": json.dumps(WORDS)}, "finite"),
        (
            {"weight": torch.zeros(5, 32), "bias": torch.zeros(5)},
            {"words": json.dumps(WORDS)},
            "is for a language model of width 32, .*model.safetensors has 64",
        ),
    ],
)
def test_a_file_that_is_no_head_of_this_model_is_named(
    small_checkpoint: Path, tmp_path: Path, tensors: Any, metadata: Any, told: str
) -> None:
    folder = linked(small_checkpoint, tmp_path / "model")
    save_file(tensors, folder / FILE, metadata)
    with pytest.raises(ValueError, match=told) as raised:
        Engine.load(folder, device="cpu", listens=True)
    assert str(folder / FILE) in str(raised.value)
    Engine.load(folder, device="cpu")  # what is not asked for is not read


def test_a_file_that_is_cut_short_is_named(small_checkpoint: Path, tmp_path: Path) -> None:
    folder = with_head(small_checkpoint, tmp_path / "model", random_head())
    (folder / FILE).write_bytes((folder / FILE).read_bytes()[:-9])
    with pytest.raises(ValueError, match=r"listening\.safetensors is not a complete"):
        Engine.load(folder, device="cpu", listens=True)


def test_a_checkpoint_that_cannot_listen_says_so(small_checkpoint: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"user_transcript.*has no listening\.safetensors"):
        Engine.load(small_checkpoint, device="cpu", listens=True)


def test_an_engine_tells_words_only_where_it_is_asked_to(
    small_checkpoint: Path, tmp_path: Path
) -> None:
    folder = with_head(small_checkpoint, tmp_path / "model", constant_head(LM.dim, WORDS, 2))
    told = {}
    for listens in (True, False):
        engine = Engine.load(folder, device="cpu", listens=listens)
        session = engine.open(TALKER, GREEDY, 1)
        results = [session.push(frame) for frame in talk(engine, 0.64)]
        told[listens] = [result.heard for result in results], [r.token for r in results]
    assert told[True][0] == ["meeting", "", "", "meeting", "", "", "meeting", ""]
    assert told[False][0] == [""] * 8
    assert told[True][1] == told[False][1], "what it says is the same"


def test_slots_are_heard_apart_plain_and_in_graphs(
    small_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in test_captured_frames, the frame that would have been captured is run again."""
    folder = with_head(small_checkpoint, tmp_path / "model", random_head())
    plain, graphs = (Engine.load(folder, device="cpu", slots=3, listens=True) for _ in range(2))
    monkeypatch.setattr(captured, "_zeros", unpinned)
    monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: None)
    monkeypatch.setattr(torch.cuda, "Event", Mark)
    monkeypatch.setattr(captured, "part_times", lambda marks: StepTiming(0, 0, 0, 0, 0))
    head = load_listening_head(folder, "cpu")
    models = FrameModels(graphs.lm, graphs.codec, graphs.lm.grid_shape(), head)
    frames = Replayed(models, graphs.states, graphs._sampler)
    frames.warm_up()
    graphs._frames = frames
    alone = Engine.load(folder, device="cpu", listens=True)

    sounds = [talk(plain, 3.2, seed) for seed in (0, 1)]
    single = []
    for persona, sound in zip((TALKER, HOST), sounds, strict=True):
        session = alone.open(persona, GREEDY, 1)
        single.append([session.push(frame).heard for frame in sound])
        session.close()
    for engine in (plain, graphs):
        pair = [engine.open(persona, GREEDY, 1) for persona in (TALKER, HOST)]
        heard: list[list[str]] = [[], []]
        for both in zip(*sounds, strict=True):
            results = engine.step(dict(zip(pair, both, strict=True)))
            for words, session in zip(heard, pair, strict=True):
                words.append(results[session].heard)
        assert heard == single
    assert all(len(set(words)) > 2 for words in single) and single[0] != single[1]


def test_nano_writes_down_what_the_demos_caller_asks() -> None:
    engine = Engine.load("nano", device="cpu", listens=True)
    session = engine.open(Persona("demo", "You work for Nova Labs.", "NATF0.pt"), seed=1)
    caller = read_wave(share_directory() / "config" / "demo" / "caller.wav").samples[:, 0]
    frames = caller[: 62 * engine.frame_size].reshape(62, -1)
    heard = [result.heard for result in map(session.push, frames) if result.heard]
    assert word_errors("on which floor is the meeting room".split(), heard[-7:]) <= 1
