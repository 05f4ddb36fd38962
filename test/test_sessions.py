"""Sessions share a model and nothing else, whoever comes, pauses, restarts or goes beside them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch
from reference import GREEDY, converse, ids, moshi_config, speech_like, talk, write_checkpoint

from personaplex_ros.engine import Engine, ModelFault, Persona, Sampling, Session
from personaplex_ros.lm.grid import get_column
from personaplex_ros.nn.state import leaves

SILENT = Persona("silent")
HOST = Persona("host", "You work for a hotel by the lake and your name is Ann.")
TALKER = Persona("talker", "You enjoy having a good conversation.")


@dataclass
class Visit:
    """A conversation as it was held: with whom, from which seed, and what was said."""

    persona: Persona
    sampling: Sampling
    seed: int
    frames: list[np.ndarray] = field(default_factory=list)
    tokens: list[tuple[int, ...]] = field(default_factory=list)
    audio: list[np.ndarray] = field(default_factory=list)


def crowd(engine: Engine, steps: int, sampling: Sampling, seed: int) -> list[Visit]:
    """Let sessions come, pause, restart, change persona and go as chance has it."""
    rng = np.random.default_rng(seed)
    personas = [engine.prepare(p) for p in (SILENT, HOST, TALKER)]
    present: dict[Session, Visit] = {}
    over: list[Visit] = []

    def visit() -> tuple[int, Visit]:
        which = int(rng.integers(len(personas)))
        return which, Visit(personas[which].persona, sampling, int(rng.integers(1000)))

    for _ in range(steps):
        comes, goes, restarts = rng.random(3) < (0.2, 0.025, 0.025)
        if comes and len(present) < 3:
            which, new = visit()
            present[engine.open(personas[which], sampling, new.seed)] = new
        if goes and present:
            session = list(present)[int(rng.integers(len(present)))]
            session.close()
            over.append(present.pop(session))
        if restarts and present:
            session = list(present)[int(rng.integers(len(present)))]
            over.append(present[session])
            which, present[session] = visit()
            session.restart(personas[which], present[session].seed)
        awake = [session for session in present if rng.random() < 0.8]
        size = engine.frame_size
        frames = {s: speech_like(size / 24000, int(rng.integers(1 << 30))) for s in awake}
        for session, result in engine.step(frames).items() if frames else ():
            present[session].frames.append(frames[session])
            present[session].tokens.append(ids(result))
            present[session].audio.append(result.audio)
            assert result.index == len(present[session].tokens) - 1
    return [v for v in over + list(present.values()) if v.tokens]


@pytest.mark.parametrize("sampling", [GREEDY, Sampling()], ids=["greedy", "sampled"])
def test_tokens_are_the_same_alone_and_in_a_crowd(
    small_checkpoint: Path, sampling: Sampling
) -> None:
    visits = crowd(Engine.load(small_checkpoint, device="cpu", slots=3), 240, sampling, 4)
    # Long enough to go round the ring of 63, short ones, and every persona.
    assert max(len(visit.tokens) for visit in visits) > 64
    assert len(visits) > 8 and len({visit.persona.name for visit in visits}) == 3
    alone = Engine.load(small_checkpoint, device="cpu")
    for visit in visits:
        session = alone.open(visit.persona, visit.sampling, visit.seed)
        results = [session.push(frame) for frame in visit.frames]
        session.close()
        assert [ids(result) for result in results] == visit.tokens
        for result, audio in zip(results, visit.audio, strict=True):
            np.testing.assert_allclose(result.audio, audio, rtol=0, atol=1e-4)


def conversation_state(engine: Engine, session: Session) -> list[torch.Tensor]:
    """Return copies of what a step of the session reads: its last columns, and the codec's past.

    The cells of the user's next frame are left out; they are written before they are read.
    """
    states, row = engine.states, session.slot
    state = states.lm
    columns = [
        get_column(state.grid, engine.lm.grid_shape(), state.position - back) for back in (0, 1)
    ]
    codec = (states.hearing.seanet, states.hearing.downsample, states.speaking.seanet)
    kept = [*columns, state.position, states.speaking.upsample.partial, *leaves(codec)]
    return [leaf[row].clone() for leaf in kept]


def test_a_paused_session_stands_still(small_checkpoint: Path) -> None:
    engine = Engine.load(small_checkpoint, device="cpu", slots=2)
    resting, busy = (engine.open(HOST, GREEDY, seed) for seed in (1, 2))
    for frame in talk(engine, 0.8):
        engine.step({resting: frame, busy: frame})
    position = resting.position
    before = conversation_state(engine, resting)
    for frame in talk(engine, 0.8):
        busy.push(frame)
    assert resting.position == position and busy.position == position + 10
    after = conversation_state(engine, resting)
    assert all(torch.equal(old, new) for old, new in zip(before, after, strict=True))


def test_positions_count_the_prompt_and_every_step(small_engine: Engine) -> None:
    session = small_engine.open(HOST)
    prompt = session.position
    text = small_engine.tokenizer.encode(f"<system> {HOST.text_prompt} <system>")
    # The last frame of the prompt is read by the first step.
    assert prompt == 6 + len(text) + 6 - 1
    converse(session, talk(small_engine, 0.4))
    assert session.position == prompt + 5
    session.restart()
    assert session.position == prompt


def test_a_slot_is_clean_for_its_next_session(small_engine: Engine) -> None:
    frames = talk(small_engine, 2.0)
    first = small_engine.open(HOST, GREEDY)
    expected = converse(first, frames)
    first.close()
    other = small_engine.open(TALKER, Sampling(), 3)
    converse(other, talk(small_engine, 6.0, seed=1))  # round the ring
    other.close()
    again = small_engine.open(HOST, GREEDY)
    assert converse(again, frames) == expected


def test_a_session_too_many_is_refused(small_checkpoint: Path) -> None:
    engine = Engine.load(small_checkpoint, device="cpu", slots=2)
    sessions = [engine.open(SILENT) for _ in range(2)]
    with pytest.raises(RuntimeError, match="all 2 slots are taken; close a session first"):
        engine.open(SILENT)
    sessions[0].close()
    assert engine.open(SILENT).slot == sessions[0].slot


def test_an_engine_needs_a_slot(small_checkpoint: Path) -> None:
    with pytest.raises(ValueError, match="slots is 0"):
        Engine.load(small_checkpoint, device="cpu", slots=0)


def test_a_closed_session_cannot_be_used(small_engine: Engine) -> None:
    session = small_engine.open(SILENT)
    session.close()
    new = small_engine.open(SILENT)  # in the same slot
    frame = np.zeros(small_engine.frame_size, np.float32)
    uses = (
        lambda: session.push(frame),
        lambda: session.restart(),
        lambda: session.close(),
        lambda: session.position,
        lambda: session.set_sampling(GREEDY),
    )
    for use in uses:
        with pytest.raises(RuntimeError, match="this session is closed"):
            use()
    assert new.push(frame).index == 0


@pytest.mark.parametrize(
    "frame",
    [np.zeros(1919, np.float32), np.zeros((1920, 1), np.float32), np.zeros(1920),
     np.zeros(1920, np.int16), np.zeros(0, np.float32)],
)  # fmt: skip
def test_a_frame_of_another_kind_is_refused(small_engine: Engine, frame: np.ndarray) -> None:
    session = small_engine.open(SILENT)
    with pytest.raises(ValueError, match=r"float32 \[1920\]"):
        session.push(frame)
    assert session.push(np.zeros(1920, np.float32)).index == 0


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_frame_that_is_not_finite_is_refused(small_engine: Engine, value: float) -> None:
    session = small_engine.open(SILENT)
    frame = np.zeros(1920, np.float32)
    frame[7] = value
    with pytest.raises(ValueError, match="not finite"):
        session.push(frame)


def test_a_refused_frame_leaves_all_sessions_as_they_were(small_checkpoint: Path) -> None:
    engine = Engine.load(small_checkpoint, device="cpu", slots=2)
    frames = talk(engine, 0.8)
    good, bad = engine.open(HOST, seed=1), engine.open(HOST, seed=2)
    expected = [engine.step({good: frame, bad: frame}) for frame in frames]
    good.restart()
    bad.restart()
    for frame, results in zip(frames, expected, strict=True):
        with pytest.raises(ValueError, match="float32"):
            engine.step({good: frame, bad: frame[1:]})
        again = engine.step({good: frame, bad: frame})
        assert ids(again[good]) == ids(results[good])
        assert ids(again[bad]) == ids(results[bad])


def test_sound_beyond_all_bounds_is_forgotten_by_a_restart(small_engine: Engine) -> None:
    frames = talk(small_engine, 0.8)
    session = small_engine.open(HOST, GREEDY)
    expected = converse(session, frames)
    with pytest.raises(ModelFault, match="or the samples are far beyond full scale"):
        session.push(np.full(1920, 3e38, np.float32))  # finite, but its square is not
    session.restart()
    results = [session.push(frame) for frame in frames]
    assert [ids(result) for result in results] == expected
    assert np.isfinite([result.audio for result in results]).all()


def test_results_belong_to_the_caller(small_engine: Engine) -> None:
    session = small_engine.open(HOST)
    frames = talk(small_engine, 0.4)
    results = [session.push(frame) for frame in frames]
    copies = [result.audio.copy() for result in results]
    converse(session, frames)
    for result, copy in zip(results, copies, strict=True):
        np.testing.assert_array_equal(result.audio, copy)


def test_timing_adds_up(small_engine: Engine) -> None:
    session = small_engine.open(HOST)
    timing = session.push(talk(small_engine, 0.08)[0]).timing
    parts = (timing.encode, timing.temporal, timing.depth, timing.decode)
    assert all(part > 0 for part in parts)
    assert timing.total == pytest.approx(sum(parts))


def test_sessions_of_a_moshi_model_do_not_change_each_other(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path, moshi_config())
    engine, alone = (Engine.load(folder, device="cpu", slots=slots) for slots in (2, 1))
    frames = talk(engine, 2.0)
    first = engine.open(SILENT, GREEDY)
    early = [ids(first.push(frame)) for frame in frames[:10]]
    second = engine.open(SILENT, GREEDY)  # begins at column 0, beside one at column 10
    both = [engine.step({first: a, second: b}) for a, b in zip(frames[10:], frames, strict=False)]
    expected = converse(alone.open(SILENT, GREEDY), frames)
    assert early + [ids(result[first]) for result in both] == expected
    assert [ids(result[second]) for result in both] == expected[: len(both)]
