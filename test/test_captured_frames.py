"""What goes into a GPU's graphs and comes out of them, with the graphs themselves left out.

There need not be a GPU: each replay runs the frame that would have been captured, on the CPU.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from reference import GREEDY, ids, talk

from personaplex_ros.engine import Engine, Persona, Sampling, Session, StepTiming
from personaplex_ros.engine.frames import captured
from personaplex_ros.engine.frames.captured import CapturedFrames, Graph
from personaplex_ros.engine.frames.frame import FrameModels

HOST = Persona("host", "You work for a hotel by the lake and your name is Ann.")
TALKER = Persona("talker", "You enjoy having a good conversation.")


class Mark:
    """Stands for an event of CUDA."""

    def __init__(self, **options: bool) -> None:
        assert options == {"enable_timing": True, "external": True}

    def record(self) -> None:
        """Mark nothing."""


class Replayed(CapturedFrames):
    """Runs again what a graph would do."""

    def _capture(self, rows: int) -> None:
        marks: list[Any] = []
        self._graphs[rows] = Graph(None, marks)  # type: ignore[arg-type]

    def _replay(self, rows: int) -> float:
        self.replayed.append(rows)
        marks: list[Any] = []
        self._frame(rows, marks)
        assert len(marks) == 5
        return 0.001 * rows

    replayed: list[int] = []  # noqa: RUF012


def unpinned(_: object, *shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Return zeros where a GPU would copy to."""
    return torch.zeros(*shape, dtype=dtype)


@pytest.fixture
def engine(small_checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """Return an engine whose frames are those of graphs."""
    engine = Engine.load(small_checkpoint, device="cpu", slots=5)

    monkeypatch.setattr(captured, "_zeros", unpinned)
    monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: None)
    monkeypatch.setattr(torch.cuda, "Event", Mark)
    monkeypatch.setattr(captured, "part_times", lambda marks: StepTiming(0, 0, 0, 0, 0))
    Replayed.replayed = []
    models = FrameModels(engine.lm, engine.codec, engine.lm.grid_shape())
    frames = Replayed(models, engine.states, engine._sampler)
    engine.warm_frames = frames.warm_up()
    engine._frames = frames
    Replayed.replayed.clear()
    return engine


def test_the_warm_up_times_every_graph_and_leaves_no_trace(engine: Engine) -> None:
    assert engine.warm_frames == {1: 0.001, 2: 0.002, 4: 0.004, 5: 0.005}
    states = engine.states
    sides = (states.hearing.transformer, states.speaking.transformer)
    for position in (states.lm.position, *(side.position for side in sides)):
        assert not position.any()


@pytest.mark.parametrize("sampling", [GREEDY, Sampling()], ids=["greedy", "sampled"])
def test_conversations_are_those_of_plain_frames(
    engine: Engine, small_checkpoint: Path, sampling: Sampling
) -> None:
    plain = Engine.load(small_checkpoint, device="cpu", slots=5)
    rng = np.random.default_rng(0)
    pairs: list[tuple[Session, Session]] = []
    frames = talk(engine, 6.4)
    for number, frame in enumerate(frames):
        if number in (0, 3, 9, 20, 21):
            persona = HOST if number % 2 else TALKER
            pairs.append(tuple(e.open(persona, sampling, number) for e in (engine, plain)))  # type: ignore[arg-type]
        if number == 40:
            for session in pairs.pop(1):
                session.close()
        if number == 50:
            for session in pairs[2]:
                session.restart(HOST, 7)
        if number in (30, 45):
            for session in pairs[0]:
                session.keep_silent() if number == 30 else session.go_on()
        awake = [pair for pair in pairs if rng.random() < 0.8] or pairs[:1]
        ours = engine.step({pair[0]: frame for pair in awake})
        theirs = plain.step({pair[1]: frame for pair in awake})
        for left, right in awake:
            assert ids(ours[left]) == ids(theirs[right])
            np.testing.assert_allclose(ours[left].audio, theirs[right].audio, rtol=0, atol=1e-4)
    assert set(Replayed.replayed) == {1, 2, 4, 5}


def test_a_larger_top_k_than_any_before_makes_graphs_anew(engine: Engine) -> None:
    session = engine.open(TALKER, Sampling(audio_top_k=10, text_top_k=5))
    session.push(talk(engine, 0.08)[0])
    graphs = dict(engine._frames._graphs)  # type: ignore[union-attr]
    session.set_sampling(Sampling(audio_top_k=40))
    session.push(talk(engine, 0.08)[0])
    assert engine._frames._graphs[1] is not graphs[1]  # type: ignore[union-attr]


def test_what_is_returned_stays_when_the_next_frame_comes(engine: Engine) -> None:
    session = engine.open(TALKER, GREEDY)
    first, *later = talk(engine, 0.8)
    kept = session.push(first)
    audio, codes = kept.audio.copy(), kept.codes.copy()
    for frame in later:
        session.push(frame)
    assert np.array_equal(kept.audio, audio) and np.array_equal(kept.codes, codes)


def test_a_given_sentence_is_said(engine: Engine) -> None:
    sessions = [engine.open(TALKER, GREEDY) for _ in range(3)]
    saying = sessions[2].say("a taxi")
    for frame in talk(engine, 2.4):
        engine.step({session: frame for session in sessions})
    assert saying.ended and saying.spoken == 2
