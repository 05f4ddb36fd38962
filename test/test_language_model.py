"""The language model computes what moshi's and transformers' do, one step a frame."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from oracles import moshi_lm, transformers_moshi
from reference import LM, random_frames, random_lm
from torch import Tensor, nn

from personaplex_ros.lm import LanguageModel, LMConfig, Sampler
from personaplex_ros.lm.grid import lay_out, put_column

FRAMES = 70
SHORT = dataclasses.replace(LM, context=16)


def teacher_forced(lm: LanguageModel, columns: Tensor) -> tuple[Tensor, Tensor]:
    """Step over columns int64 [B, rows, T + 1], every cell of which is forced.

    Returns text logits [B, T, V] and audio logits [B, depth steps, T, V].
    """
    batch, _, length = columns.shape
    state, shape = lm.initial_state(batch), lm.grid_shape()
    sampler = Sampler(batch, lm.config.codebooks, (1, 1), "cpu")
    text, audio = [], []
    for step in range(length - 1):
        here, after = columns[..., step], columns[..., step + 1]
        put_column(state.grid, shape, state.position, here, None)
        hidden = lm.temporal_step(state, after[:, 1 + lm.config.codebooks :], shape, even=True)
        text.append(lm.text_linear(hidden))
        steps = range(lm.config.depth_steps)
        logits = [lm.depth_logits(hidden, after[:, s], s, state.depth_past) for s in steps]
        audio.append(torch.stack(logits, 1))
        put_column(state.grid, shape, state.position + 1, after, None)
        lm.depth_step(state, hidden, shape, sampler.text, sampler.audio, None)
        state.columns = [count + 1 for count in state.columns]
    return torch.stack(text, 1), torch.stack(audio, 2)


def columns_for(config: LMConfig, batch: int = 2) -> Tensor:
    """Return random columns [B, rows, FRAMES] that begin with the initial tokens."""
    frames = [random_frames(config, FRAMES, seed) for seed in range(batch)]
    return torch.stack([lay_out(each, config)[:, :FRAMES] for each in frames])


@torch.inference_mode()
def moshi_logits(theirs: nn.Module, columns: Tensor, streaming: bool) -> tuple[Tensor, Tensor]:
    past, after = columns[..., :-1], columns[..., 1:]
    if streaming:
        with theirs.streaming(columns.shape[0]):
            steps = [theirs.forward_text(column) for column in past.split(1, dim=-1)]
        hidden, text = (torch.cat(parts, -2) for parts in zip(*steps, strict=True))
    else:
        hidden, text = theirs.forward_text(past)
    return text[:, 0], theirs.forward_depformer_training(after, hidden)


# Our window is one position shorter than the stated context, because the published models run so
# (the golden files show it); moshi 0.2.13 attends to all of it, so it gets a context of one less.
@pytest.mark.parametrize("streaming", [False, True], ids=["whole", "streaming"])
@pytest.mark.parametrize("depth_steps", [pytest.param(8, marks=pytest.mark.long), 16])
@pytest.mark.parametrize("context", [16, 128], ids=["past the context", "within the context"])
def test_logits_equal_moshi(context: int, depth_steps: int, streaming: bool) -> None:
    config = dataclasses.replace(LM, context=context, depth_steps=depth_steps)
    lm, columns = random_lm(config), columns_for(config)
    expected = moshi_logits(moshi_lm(lm, context - 1), columns, streaming)
    text, audio = teacher_forced(lm, columns)
    torch.testing.assert_close(text, expected[0], rtol=0, atol=1e-4)
    torch.testing.assert_close(audio, expected[1], rtol=0, atol=1e-4)
    assert text.std() > 0.5 and audio.std() > 0.5


@pytest.mark.parametrize("other", [14, 16])
def test_the_context_ends_where_it_should(other: int) -> None:
    lm, columns = random_lm(SHORT), columns_for(SHORT)
    text, _ = teacher_forced(lm, columns)
    theirs, _ = moshi_logits(moshi_lm(lm, other), columns, streaming=False)
    difference = (text - theirs).abs().amax((0, 2))
    last_alike = min(other, SHORT.context - 1)
    assert difference[:last_alike].max() < 1e-4
    assert difference[last_alike] > 1e-3


def test_logits_equal_transformers() -> None:
    config = dataclasses.replace(LM, context=128)
    lm, columns = random_lm(config), columns_for(config)
    temporal, depth = transformers_moshi(lm)
    text, audio = teacher_forced(lm, columns)
    past, after = columns[..., :-1].transpose(1, 2), columns[..., 1:].transpose(1, 2)
    tables = [lm.text_emb, *lm.emb]
    embedded = sum(table(past[..., row]) for row, table in enumerate(tables))
    with torch.inference_mode():
        out = temporal(inputs_embeds=embedded, use_cache=False)
        rows = after[..., : config.depth_steps].flatten(0, 1)
        hidden = out.last_hidden_state.flatten(0, 1)[:, None].expand(-1, config.depth_steps, -1)
        codes = depth(input_ids=rows, last_hidden_state=hidden, use_cache=False).logits
    torch.testing.assert_close(text, out.logits, rtol=0, atol=1e-4)
    theirs = codes.unflatten(0, (2, -1)).transpose(1, 2)
    torch.testing.assert_close(audio, theirs, rtol=0, atol=1e-4)


def test_the_zero_token_embeds_to_nothing() -> None:
    lm = random_lm()
    tokens = torch.full((1, 1, LM.rows), -1)
    assert lm.embed(tokens).abs().max() == 0
    tokens[..., 3] = 5
    torch.testing.assert_close(lm.embed(tokens)[0, 0], lm.emb[2].weight[5])
    theirs = moshi_lm(lm, LM.context)
    torch.testing.assert_close(lm.embed(tokens), theirs.emb[2](tokens[..., 3]))


def test_eight_steps_of_sixteen_are_the_same_eight() -> None:
    whole, columns = random_lm(SHORT), columns_for(SHORT)
    part = random_lm(SHORT.with_depth_steps(8))
    state = whole.state_dict()
    # The steps' projections are stacked in rows, so the first rows are the first steps'.
    part.load_state_dict(
        {name: state[name][: len(empty)] for name, empty in part.state_dict().items()}
    )
    text, audio = teacher_forced(part, columns)
    expected = teacher_forced(whole, columns)
    torch.testing.assert_close(text, expected[0])
    torch.testing.assert_close(audio, expected[1][:, :8])
