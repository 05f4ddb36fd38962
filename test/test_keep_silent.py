"""A conversation that is kept silent: its words and its speech, until it may go on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from reference import GREEDY, LM, converse, ids, talk

from personaplex_ros.engine import Engine, Persona, Session, SharedEngine
from personaplex_ros.lm.grid import UNSET, GridShape
from personaplex_ros.lm.script import PATIENCE, Script

PAD, EPAD = LM.text_padding, LM.text_end_padding
OWN = 50  # a word of the model's own
TALKER = Persona("talker", "You enjoy having a good conversation.")


def is_silence(engine: Engine, token: int, codes: np.ndarray) -> bool:
    return token == PAD and tuple(codes) == engine.lm.config.silence_codes


def silent_frames(engine: Engine, session: Session, seconds: float) -> list[bool]:
    """Return which frames of some seconds of talk are silent, in text and in codes."""
    results = (session.push(frame) for frame in talk(engine, seconds))
    return [is_silence(engine, result.token, result.codes) for result in results]


def test_words_and_codes_are_silence_each_after_its_delay_and_other_rows_are_let_be() -> None:
    script, shape = Script.empty(2, "cpu"), GridShape.of(LM, "cpu")
    script.write(0, [11, 12], [PATIENCE, 0])
    script.keep_silent(0)
    own, free = torch.tensor([OWN, OWN]), torch.full((2, LM.rows), UNSET)
    delays = np.array(LM.delays[1 : 1 + LM.codebooks])
    for frame in range(3):
        assert script.replace(own, None, LM).tolist() == [PAD, OWN]
        kept, other = script.silence(free, shape, None).numpy()
        ended = delays <= frame
        speech = kept[1 : 1 + LM.codebooks]
        assert np.array_equal(speech, np.where(ended, LM.silence_codes, UNSET))
        assert kept[0] == UNSET and set(kept[1 + LM.codebooks :]) == {UNSET}
        assert set(other) == {UNSET}
    script.write(0, [], [])
    assert script.replace(own, None, LM).tolist() == [OWN, OWN]
    assert set(script.silence(free, shape, None).flatten().tolist()) == {UNSET}


def test_a_row_that_takes_no_part_stays_where_it_is() -> None:
    script, shape = Script.empty(1, "cpu"), GridShape.of(LM, "cpu")
    script.keep_silent(0)
    free = torch.full((1, LM.rows), UNSET)
    rests, takes_part = torch.tensor([False]), torch.tensor([True])
    first = script.silence(free, shape, rests)
    assert torch.equal(script.silence(free, shape, takes_part), first)
    assert not torch.equal(script.silence(free, shape, takes_part), first)


def test_a_conversation_is_silent_until_it_may_go_on(small_checkpoint: Path) -> None:
    engine = Engine.load(small_checkpoint, device="cpu")
    session = engine.open(TALKER, GREEDY)
    assert not any(silent_frames(engine, session, 1.6)[1:])  # the first is the prompt's last
    session.keep_silent()
    lag = max(LM.delays)
    assert silent_frames(engine, session, 1.6) == [False] * lag + [True] * (20 - lag)
    session.go_on()
    assert not all(silent_frames(engine, session, 1.6)[lag:])
    assert engine.states.script.given == set()


def test_a_given_sentence_ends_where_it_is_and_a_new_one_ends_the_silence(
    small_checkpoint: Path,
) -> None:
    engine = Engine.load(small_checkpoint, device="cpu")
    session = engine.open(TALKER, GREEDY)
    first = session.say("breakfast is from seven to ten")
    for frame in talk(engine, 0.8):
        session.push(frame)
    session.keep_silent()
    assert first.cancelled
    assert all(silent_frames(engine, session, 0.8)[max(LM.delays) :])
    second, frames = session.say("a taxi"), iter(talk(engine, 8.0))
    while not second.ended:
        session.push(next(frames))
    assert second.spoken == 2 and not second.cancelled


@pytest.mark.parametrize("ending", ["restart", "close"])
def test_a_new_conversation_is_not_kept_silent(small_checkpoint: Path, ending: str) -> None:
    engine = Engine.load(small_checkpoint, device="cpu")
    session = engine.open(TALKER, GREEDY)
    expected = converse(session, talk(engine, 1.0))
    session.keep_silent()
    getattr(session, ending)()
    if ending == "close":
        session = engine.open(TALKER, GREEDY)
    else:
        session.restart()
    assert converse(session, talk(engine, 1.0)) == expected


def test_others_are_not_disturbed(small_checkpoint: Path) -> None:
    engine = Engine.load(small_checkpoint, device="cpu", slots=2)
    alone = engine.open(TALKER, GREEDY)
    expected = converse(alone, talk(engine, 1.6))
    alone.close()
    other, kept = (engine.open(TALKER, GREEDY) for _ in range(2))
    kept.keep_silent()
    given = [ids(engine.step({other: f, kept: f})[other]) for f in talk(engine, 1.6)]
    assert given == expected


def test_a_shared_session_is_kept_silent_too(small_checkpoint: Path) -> None:
    engine = Engine.load(small_checkpoint, device="cpu")
    shared = SharedEngine(engine)
    session = shared.open(TALKER, GREEDY)
    session.keep_silent()
    results = [session.push(frame) for frame in talk(engine, 0.8)]
    assert all(is_silence(engine, r.token, r.codes) for r in results[max(LM.delays) :])
    session.go_on()
    results = [session.push(frame) for frame in talk(engine, 1.6)]
    assert not is_silence(engine, results[-1].token, results[-1].codes)
    shared.close()
