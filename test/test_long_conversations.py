"""A conversation that outlasts the model's context: what stays in reach, and at what place."""

from __future__ import annotations

import argparse
import json
import math
import shutil
from itertools import pairwise
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from reference import CODEC, GREEDY, LM, converse, ids, moshi_config, talk, write_checkpoint
from torch import Tensor

from personaplex_ros.cli.arguments import model as model_arguments
from personaplex_ros.engine import Engine, Persona, rereading
from personaplex_ros.engine.long_conversation import MODES
from personaplex_ros.engine.rereading import Rereading
from personaplex_ros.mimi.transformer import Transformer
from personaplex_ros.nn.attention import RingAttention, RingSpec, RingView, rotation
from personaplex_ros.node.loading import load_engine
from personaplex_ros.node.parameters.definition import ParameterError
from personaplex_ros.node.parameters.table import Parameters, lookup

HOST = Persona("host", "your name is Ann.")
OTHER = Persona("other", "breakfast is at ten")
NOBODY = Persona("nobody")
DAY = 12 * 3600 * 25  # positions of the codec in twelve hours


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def turned(x: Tensor, position: int, spec: RingSpec) -> Tensor:
    """Rotate interleaved pairs of float64 [heads, head_dim] as at a position."""
    pair = torch.arange(spec.head_dim // 2, dtype=torch.float64)
    angle = position * spec.max_period ** (-2 * pair / spec.head_dim)
    a, b = x[:, 0::2], x[:, 1::2]
    turned = (a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos())
    return torch.stack(turned, -1).flatten(1)


def by_definition(
    attention: RingAttention, inputs: Tensor, pinned: int, now: int, spec: RingSpec
) -> Tensor:
    """Return what position ``now`` of inputs float64 [T, D] attends to, each key moved explicitly.

    Seen are the pinned positions, moved so that they end where the newest others begin.
    """
    heads = attention.heads
    q, k, v = (
        (inputs @ attention.in_proj_weight.double().t()).view(len(inputs), 3, heads, -1).unbind(1)
    )
    moved = max(0, now + 1 - spec.window)
    places = {key: key + moved for key in range(min(pinned, now + 1))}
    places |= {key: key for key in range(pinned + moved, now + 1)}
    query = turned(q[now], now, spec)
    keys = torch.stack([turned(k[key], place, spec) for key, place in places.items()], 1)
    scores = (query[:, None] * keys).sum(-1) / math.sqrt(spec.head_dim)
    y = (scores.softmax(-1)[..., None] * v[list(places)].transpose(0, 1)).sum(1)
    return y.flatten() @ attention.out_proj.weight.double().t()


def random_attention(spec: RingSpec, heads: int) -> RingAttention:
    attention = RingAttention(heads, spec).requires_grad_(False)
    dim = heads * spec.head_dim
    attention.in_proj_weight.copy_(noise(3 * dim, dim) / 4)
    attention.out_proj.weight.copy_(noise(dim, dim, seed=1) / 4)
    return attention


@pytest.mark.parametrize("even", [True, False])
def test_what_is_pinned_is_seen_just_before_the_rest(even: bool) -> None:
    spec, heads, window = RingSpec(20, 8, 100.0), 2, 19
    attention = random_attention(spec, heads)
    begun = torch.tensor([0, 0, 0] if even else [0, 11, 4])
    pinned = torch.tensor([5, 5, 5] if even else [5, 0, 14])
    cache = attention.initial_cache(3)
    inputs = noise(3, 70, 16, seed=2)
    seen = []
    with torch.inference_mode():
        for step in range(70):
            position = (step - begun).clamp(min=0)  # who has not begun is written over
            x = inputs[torch.arange(3), position][:, None]
            if step < window:
                view = RingView.at(position, 1, spec, step, even)
            else:
                view = RingView.behind(pinned, position, spec, step, even)
            seen.append(attention(x, cache, view)[:, 0])
    for row in range(3):
        for now in (14, 17, 18, 19, 20, 24, 33, 55, 58):
            result = seen[now + int(begun[row])][row].double()
            expected = by_definition(attention, inputs[row].double(), int(pinned[row]), now, spec)
            torch.testing.assert_close(result, expected, rtol=0, atol=2e-5)


@pytest.fixture
def engine(small_checkpoint: Path) -> Engine:
    return Engine.load(small_checkpoint, device="cpu", slots=3)


def test_until_the_context_is_full_nothing_differs(engine: Engine, small_checkpoint: Path) -> None:
    published = Engine.load(small_checkpoint, device="cpu", slots=3, long_conversation="roll")
    frames = talk(engine, 6.4)
    ours, theirs = engine.open(HOST, GREEDY), published.open(HOST, GREEDY)
    room = LM.context - 1 - ours.position
    assert 20 < room < 50 and len(frames) > room + 30
    for number, frame in enumerate(frames):
        mine, other = ours.push(frame), theirs.push(frame)
        if number < room:
            assert ids(mine) == ids(other) and np.array_equal(mine.audio, other.audio)
    assert ours.position == theirs.position > LM.context + 30
    assert ours.prompt_in_reach and not theirs.prompt_in_reach
    theirs.restart()
    assert theirs.prompt_in_reach


def test_rows_of_other_lengths_are_as_if_they_were_alone(
    engine: Engine, small_checkpoint: Path
) -> None:
    alone = Engine.load(small_checkpoint, device="cpu").open(NOBODY, GREEDY)
    frames, said, heard = talk(engine, 10.4), {}, {}
    begin = {0: HOST, 20: NOBODY, 31: OTHER}  # at which frame who comes
    for number, frame in enumerate(frames):
        if number in begin:
            session = engine.open(begin[number], GREEDY)
            said[session], heard[session] = [], begin[number]
        if number == 55:  # another persona, with a shorter prompt, in the row of the first
            first = next(iter(said))
            first.restart(NOBODY)
            said[first], heard[first], begin[55] = [], NOBODY, NOBODY
        for session, result in engine.step({session: frame for session in said}).items():
            said[session].append(ids(result))
    begun = [55, 20, 31]
    for session, start in zip(said, begun, strict=True):
        assert session.position > LM.context + 10
        alone.restart(heard[session], 0)
        assert said[session] == converse(alone, frames[start:])
        assert len(set(said[session][-40:])) > 20  # it still talks


@pytest.mark.long
def test_moshi_which_takes_no_prompt_goes_on_as_published(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path, moshi_config())
    said = []
    for mode in ("pin", "roll"):
        engine = Engine.load(folder, device="cpu", long_conversation=mode)
        said.append(converse(engine.open(NOBODY, GREEDY), talk(engine, 6.4)))
    assert said[0] == said[1] and len(said[0]) > LM.context + 10


def test_a_context_that_begins_anew_is_as_if_it_had_always_been_so(
    small_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With all that was said read again, again and again, nothing may be another than without."""
    monkeypatch.setattr(rereading, "SHARE", 1.0)
    monkeypatch.setattr(rereading, "PATIENCE", 1000)
    monkeypatch.setattr(rereading, "PAUSE", 0)
    monkeypatch.setattr(rereading, "AT_ONCE", 7)
    frames, said = talk(Engine.load(small_checkpoint, device="cpu"), 3.2), []
    replaced = Mock(side_effect=Rereading._replace)
    monkeypatch.setattr(Rereading, "_replace", lambda *given: replaced(*given))
    for mode in ("fresh", "roll"):
        engine = Engine.load(small_checkpoint, device="cpu", slots=2, long_conversation=mode)
        sessions = [engine.open(persona, GREEDY) for persona in (HOST, NOBODY)]
        room = LM.context - 1 - sessions[0].position
        results = [engine.step({s: frame for s in sessions}) for frame in frames[:room]]
        said.append([[ids(r[s]) for r in results] for s in sessions])
    assert said[0] == said[1]
    assert replaced.call_count >= 3


def test_a_context_that_begins_anew_is_never_full(small_checkpoint: Path) -> None:
    engine = Engine.load(small_checkpoint, device="cpu", slots=2, long_conversation="fresh")
    sessions = [engine.open(persona, GREEDY) for persona in (HOST, NOBODY)]
    positions: list[list[int]] = [[], []]
    for number, frame in enumerate(talk(engine, 8.0)):
        results = engine.step({session: frame for session in sessions})
        for seen, session in zip(positions, sessions, strict=True):
            result = results[session]
            assert np.isfinite(result.audio).all() and result.index == number
            seen.append(session.position)
    for seen, session in zip(positions, sessions, strict=True):
        assert max(seen) < LM.context and sum(a > b for a, b in pairwise(seen)) >= 2
        session.restart(OTHER)
        assert session.position < min(seen) + 20 and session.push(frame).index == 0


def test_what_is_not_known_is_refused(small_checkpoint: Path) -> None:
    assert lookup("long_conversation").choices == MODES
    with pytest.raises(ValueError, match="long_conversation is 'forever'; it must be one of pin"):
        Engine.load(small_checkpoint, device="cpu", long_conversation="forever")


def test_node_and_command_line_choose_it(small_checkpoint: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(small_checkpoint, tmp_path / "trained")
    content = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(content | {"trained_context": 50}))
    parser = argparse.ArgumentParser()
    model_arguments.add_model_arguments(parser)
    for mode, context in (("pin", 50), ("fresh", 50), ("roll", LM.context)):
        values = {"checkpoint": str(folder), "device": "cpu", "long_conversation": mode}
        given = ["--checkpoint", str(folder), "--device", "cpu", "--long-conversation", mode]
        engines = (
            load_engine(Parameters.of(values)),
            model_arguments.load_engine(parser.parse_args(given)),
        )
        for engine in engines:
            assert (engine.long_conversation, engine.context_frames) == (mode, context)
    with pytest.raises(ParameterError, match="choose one of pin, fresh, roll"):
        Parameters.of({"long_conversation": "forever"})


def test_angles_are_right_after_a_day() -> None:
    spec = RingSpec(3000, 128, 10000.0)
    positions = torch.tensor([[0, 5, 2999, 4095, 4096, DAY - 1, DAY, 2**40 + 3]])
    pair = torch.arange(64, dtype=torch.float32)
    frequencies = torch.exp(pair * (-math.log(spec.max_period) * 2 / spec.head_dim))
    angle = positions[..., None].double() * frequencies.double()
    expected = torch.polar(torch.ones_like(angle), angle)[:, None]
    error = (rotation(positions, spec) - expected).abs().amax((0, 1, 3))
    assert error.max() < 3e-4
    published = torch.polar(torch.ones(1, 4, 64), positions[:, :4, None].float() * frequencies)
    assert torch.equal(rotation(positions[:, :4], spec), published[:, None])


def test_the_codec_hears_after_a_day_what_it_hears_at_once() -> None:
    """Attention knows differences of positions alone, so both must see the same."""
    transformer = Transformer(CODEC).requires_grad_(False)
    for number, parameter in enumerate(transformer.parameters()):
        parameter.copy_(noise(*parameter.shape, seed=number) / 4)
    results = []
    for begin in (0, DAY - DAY % (CODEC.context - 1)):
        state = transformer.initial_state(2)
        state.position += begin
        state.longest = begin
        x = noise(2, 60, CODEC.dimension, seed=99)
        # What came before is not the same, so only what has left it behind is compared.
        with torch.inference_mode():
            y = [transformer(part, state) for part in x.split(2, dim=1)]
        results.append(torch.cat(y[20:], dim=1))
    torch.testing.assert_close(results[1], results[0], rtol=0, atol=1e-5)
