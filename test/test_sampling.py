"""How tokens are chosen: repeatable, as distributed as asked for, each session by its own rules."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from reference import GREEDY, converse, ids, talk
from scipy import stats
from torch import Tensor

from personaplex_ros.engine import Engine, Persona, Sampling
from personaplex_ros.lm.sampling import Draw, Sampler, choose

VOCABULARY = 40
NOBODY = Persona("nobody")


def logits_of(seed: int = 0, rows: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 2 * torch.randn(rows, VOCABULARY, generator=generator)


def drawn(settings: Sampling, logits: Tensor, count: int, seed: int = 1) -> Tensor:
    """Draw ``count`` frames of 8 audio codes from the same logits [1, V]: ids [count * 8]."""
    sampler = Sampler(1, 8, (VOCABULARY, VOCABULARY), "cpu")
    sampler.start(0, settings, seed)
    codes = []
    for _ in range(count):
        sampler.refill([0])
        codes += [choose(logits, sampler.audio, number) for number in range(8)]
    return torch.cat(codes)


@pytest.mark.parametrize(("temperature", "top_k"), [(0.8, VOCABULARY), (0.8, 7), (2.5, 12)])
def test_choices_follow_the_softmax_of_the_top_k(temperature: float, top_k: int) -> None:
    logits, count = logits_of(), 5000
    settings = Sampling(audio_temperature=temperature, audio_top_k=top_k)
    chosen = drawn(settings, logits, count).numpy()
    scaled = logits[0].numpy().astype(float) / temperature
    kept = np.argsort(scaled)[-top_k:]
    expected = np.zeros(VOCABULARY)
    expected[kept] = np.exp(scaled[kept]) / np.exp(scaled[kept]).sum()
    observed = np.bincount(chosen, minlength=VOCABULARY)
    assert observed[expected == 0].sum() == 0, "an id beyond the top k was chosen"
    often = expected * len(chosen) >= 5  # what chi-square needs; the others count as one
    bins = [np.append(x[often], x[~often].sum()) for x in (observed, expected * len(chosen))]
    keep = bins[1] > 0
    assert stats.chisquare(bins[0][keep], bins[1][keep]).pvalue > 0.001
    # 40 000 draws of 40 ids stray by about 0.01 in total variation.
    assert 0.5 * np.abs(observed / len(chosen) - expected).sum() < 0.02


def test_the_codes_of_a_frame_are_drawn_independently() -> None:
    chosen = drawn(Sampling(audio_temperature=1.5), logits_of(), 5000).view(-1, 8).double()
    correlation = torch.corrcoef(chosen.t()) - torch.eye(8, dtype=torch.float64)
    assert correlation.abs().max() < 0.06  # 4 standard deviations of 5000 pairs


def test_greedy_is_the_most_likely() -> None:
    logits = logits_of(rows=64)
    sampler = Sampler(64, 8, (VOCABULARY, VOCABULARY), "cpu")
    for row in range(64):
        sampler.start(row, GREEDY if row % 2 else Sampling(), row)
    for _ in range(5):
        sampler.refill(list(range(64)))
        chosen = choose(logits, sampler.audio, 3)
        assert torch.equal(chosen[1::2], logits.argmax(-1)[1::2])


def test_a_top_k_of_one_is_the_most_likely() -> None:
    settings = Sampling(audio_top_k=1, audio_temperature=5.0)
    assert set(drawn(settings, logits_of(), 20).tolist()) == {int(logits_of().argmax())}


def test_low_temperature_approaches_the_most_likely() -> None:
    settings = Sampling(audio_temperature=1e-4)
    assert set(drawn(settings, logits_of(), 20).tolist()) == {int(logits_of().argmax())}


def test_half_precision_logits_are_scored_in_float32() -> None:
    noise = torch.tensor([[[0.0, 1e-3]]])
    draw = Draw(torch.ones(1, 1), torch.tensor([[2]]), noise, torch.zeros(1, 1))
    logits = torch.tensor([[64.0, 64.0]], dtype=torch.bfloat16)  # 1e-3 is lost beside it
    assert choose(logits, draw, 0) == logits.float().topk(2).indices[0, 1]


def test_text_and_audio_have_settings_of_their_own() -> None:
    sampler = Sampler(1, 8, (VOCABULARY, VOCABULARY), "cpu")
    sampler.start(0, Sampling(text_top_k=1, audio_temperature=3.0), 0)
    text, audio = set(), set()
    for _ in range(50):
        sampler.refill([0])
        text.add(int(choose(logits_of(), sampler.text, 0)))
        audio.add(int(choose(logits_of(), sampler.audio, 0)))
    assert text == {int(logits_of().argmax())}
    assert len(audio) > 10


def test_the_defaults_are_the_published_ones() -> None:
    defaults = Sampling()
    assert (defaults.text_temperature, defaults.text_top_k) == (0.7, 25)
    assert (defaults.audio_temperature, defaults.audio_top_k) == (0.8, 250)
    assert not defaults.greedy


@pytest.mark.parametrize(
    "wrong",
    [{"text_temperature": 0.0}, {"audio_temperature": -1.0}, {"audio_temperature": float("nan")},
     {"text_temperature": float("inf")}, {"text_top_k": 0}, {"audio_top_k": -5}],
)  # fmt: skip
def test_impossible_settings_are_refused_by_name(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Sampling(**wrong)  # type: ignore[arg-type]


def test_a_seed_gives_the_same_conversation_again(small_engine: Engine) -> None:
    frames = talk(small_engine, 2.5)
    session = small_engine.open(NOBODY, seed=5)
    first = converse(session, frames)
    session.restart()
    assert converse(session, frames) == first
    session.restart(seed=6)
    assert converse(session, frames) != first
    session.restart(seed=5)
    assert converse(session, frames) == first


def test_another_engine_gives_the_same_for_a_seed(
    small_engine: Engine, small_checkpoint: Path
) -> None:
    frames = talk(small_engine, 1.0)
    first = converse(small_engine.open(NOBODY, seed=7), frames)
    other = Engine.load(small_checkpoint, device="cpu")
    torch.manual_seed(1)  # what others do with torch's own generator does not matter
    assert converse(other.open(NOBODY, seed=7), frames) == first


def test_sessions_side_by_side_have_their_own_settings(small_checkpoint: Path) -> None:
    alone = Engine.load(small_checkpoint, device="cpu")
    frames = talk(alone, 2.0)
    kinds = [GREEDY, Sampling(), Sampling(text_top_k=60, audio_top_k=3), Sampling(0.3, 5, 1.7, 99)]
    expected = []
    for seed, sampling in enumerate(kinds):
        session = alone.open(NOBODY, sampling, seed)
        expected.append(converse(session, frames))
        session.close()
    assert len({tuple(tokens) for tokens in expected}) == len(kinds)
    together = Engine.load(small_checkpoint, device="cpu", slots=len(kinds))
    sessions = [together.open(NOBODY, sampling, seed) for seed, sampling in enumerate(kinds)]
    results = [together.step(dict.fromkeys(sessions, frame)) for frame in frames]
    for session, tokens in zip(sessions, expected, strict=True):
        assert [ids(result[session]) for result in results] == tokens


def test_settings_change_from_the_next_step_on(small_engine: Engine) -> None:
    frames = talk(small_engine, 2.0)
    session = small_engine.open(NOBODY, GREEDY)
    greedy = converse(session, frames)
    session.restart()
    begun = converse(session, frames[:10])
    session.set_sampling(Sampling())
    assert begun == greedy[:10]
    assert converse(session, frames[10:]) != greedy[10:]
