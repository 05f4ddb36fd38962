"""A sentence that a conversation is given: the words are fixed, the model times them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from reference import GREEDY, LM, converse, ids, talk

from personaplex_ros.engine import Engine, Persona, SharedEngine, load_persona
from personaplex_ros.engine.words.saying import sentence_of
from personaplex_ros.lm.script import BREATH, LONGEST, PATIENCE, QUIET, Script
from personaplex_ros.training.evaluation.recogniser import Recogniser
from personaplex_ros.training.world import plain

PAD, EPAD = LM.text_padding, LM.text_end_padding
OWN = 50  # a word of the model's own
TALKER = Persona("talker", "You enjoy having a good conversation.")


def said(script: Script, chosen: list[int]) -> list[int]:
    """Return what row 0 says where the model chooses these tokens."""
    return [int(script.replace(torch.tensor([token]), None, LM)[0]) for token in chosen]


@pytest.fixture
def script() -> Script:
    """Return a script of two words, the first of two pieces."""
    script = Script.empty(1, "cpu")
    script.write(0, [11, 12, 21], [PATIENCE, 0, PATIENCE])
    return script


def test_words_come_where_the_model_would_speak(script: Script) -> None:
    chosen = [PAD, EPAD, OWN, PAD, PAD, EPAD, OWN, PAD, OWN]
    assert said(script, chosen) == [PAD, EPAD, 11, 12, PAD, EPAD, 21, PAD, OWN]


def test_the_model_s_own_pieces_are_never_heard_meanwhile(script: Script) -> None:
    assert said(script, [OWN] * 5) == [11, 12, 21, OWN, OWN]


def test_a_silent_model_is_made_to_begin_each_word(script: Script) -> None:
    silence = [PAD] * PATIENCE
    expected = [*silence, EPAD, 11, 12, *silence, EPAD, 21, PAD]
    assert said(script, [PAD] * len(expected)) == expected


def test_between_sentences_a_silent_model_may_breathe() -> None:
    script = Script.empty(1, "cpu")
    script.write(0, [11, 21], [PATIENCE, BREATH])
    expected = [*[PAD] * PATIENCE, EPAD, 11, *[PAD] * BREATH, EPAD, 21, PAD]
    assert said(script, [PAD] * len(expected)) == expected
    script.write(0, [11, 21], [PATIENCE, BREATH])
    chosen = [OWN, *[PAD] * (PATIENCE + 2), EPAD, OWN]
    assert said(script, chosen) == [11, *chosen[1:-1], 21], "at its own pace"


def test_a_sentence_may_be_waited_for_longer_than_a_word(small_checkpoint: Path) -> None:
    tokenizer = Engine.load(small_checkpoint, device="cpu").tokenizer
    sentence = sentence_of("Hello there. How can I help? You", tokenizer)
    firsts = [number for number, wait in enumerate(sentence.waits) if wait]
    words = "Hello there. How can I help? You".split()
    assert len(firsts) == len(words)
    waits = {word: sentence.waits[first] for word, first in zip(words, firsts, strict=True)}
    assert {word for word, wait in waits.items() if wait == BREATH} == {"How", "You"}
    assert {waits[word] for word in ("Hello", "there.", "can", "I", "help?")} == {PATIENCE}


def test_a_row_that_takes_no_part_does_not_go_on() -> None:
    script = Script.empty(2, "cpu")
    for row in range(2):
        script.write(row, [11, 12], [PATIENCE, 0])
    own = torch.tensor([OWN, OWN])
    assert script.replace(own, torch.tensor([True, False]), LM)[0] == 11
    assert script.replace(own, torch.tensor([True, True]), LM).tolist() == [12, 11]


def test_a_script_that_is_broken_off_ends_its_word_and_then_the_model_is_kept_silent(
    script: Script,
) -> None:
    assert said(script, [OWN]) == [11]
    script.break_off(0)
    expected = [12, *[PAD] * QUIET, OWN, OWN]
    assert said(script, [OWN] * len(expected)) == expected


def test_a_script_that_is_broken_off_in_a_pause_says_nothing_more(script: Script) -> None:
    assert said(script, [OWN, OWN, PAD]) == [11, 12, PAD]
    script.break_off(0)
    assert said(script, [OWN] * (QUIET + 1)) == [PAD] * QUIET + [OWN]


def test_a_row_beside_one_that_is_kept_silent_says_its_own() -> None:
    script = Script.empty(2, "cpu")
    script.write(0, [11], [PATIENCE])
    script.break_off(0)
    own = torch.tensor([OWN, OWN])
    assert script.replace(own, torch.tensor([False, True]), LM).tolist() == [PAD, OWN]
    quiet = [script.replace(own, torch.tensor([True, True]), LM).tolist() for _ in range(QUIET)]
    assert quiet == [[PAD, OWN]] * QUIET
    assert script.replace(own, None, LM).tolist() == [OWN, OWN]


def test_a_new_script_ends_the_silence_after_an_old_one(script: Script) -> None:
    script.break_off(0)
    script.write(0, [21], [PATIENCE])
    assert said(script, [OWN, OWN]) == [21, OWN]


def test_a_text_beyond_the_room_for_it_is_refused() -> None:
    with pytest.raises(ValueError, match=f"{LONGEST + 1} tokens; at most {LONGEST}"):
        Script.empty(1, "cpu").write(0, [1] * (LONGEST + 1), [PATIENCE] * (LONGEST + 1))


def test_a_conversation_says_all_of_it_in_order_and_tells_how_far_it_is(
    small_checkpoint: Path,
) -> None:
    engine = Engine.load(small_checkpoint, device="cpu")
    session = engine.open(TALKER, GREEDY)
    talk(engine, 0.4)
    text = "the quiet rooms look onto the garden"
    saying, heard, spoken = session.say(text), [], [0]
    assert saying.words == tuple(text.split())
    for frame in talk(engine, 0.08 * (PATIENCE + 3) * 30):
        before = saying.heard
        result = session.push(frame)
        if saying.heard > before:
            heard.append(result.token)
        spoken.append(saying.spoken)
        if saying.ended:
            break
    assert saying.ended and not saying.cancelled
    assert heard == engine.tokenizer.encode(text)
    assert spoken == sorted(spoken) and set(spoken) == set(range(8))


def test_others_are_not_disturbed(small_checkpoint: Path) -> None:
    engine = Engine.load(small_checkpoint, device="cpu", slots=2)
    alone = engine.open(TALKER, GREEDY)
    expected = converse(alone, talk(engine, 2.0))
    alone.close()
    quiet, told = (engine.open(TALKER, GREEDY) for _ in range(2))
    told.say("breakfast is from seven to ten")
    given = []
    for frame in talk(engine, 2.0):
        given.append(ids(engine.step({quiet: frame, told: frame})[quiet]))
    assert given == expected


def test_a_new_text_takes_the_place_of_the_old(small_checkpoint: Path) -> None:
    engine = Engine.load(small_checkpoint, device="cpu")
    session = engine.open(TALKER, GREEDY)
    first = session.say("breakfast is from seven to ten")
    second = session.say("a taxi")
    assert first.cancelled and not second.cancelled
    for frame in talk(engine, 0.08 * (PATIENCE + 3) * 10):
        session.push(frame)
    assert first.spoken == 0 and second.ended and second.spoken == 2


def test_a_new_conversation_does_not_go_on_with_it(small_checkpoint: Path) -> None:
    engine = Engine.load(small_checkpoint, device="cpu")
    session = engine.open(TALKER, GREEDY)
    expected = converse(session, talk(engine, 1.0))
    saying = session.say("breakfast is from seven to ten")
    session.restart()
    assert saying.cancelled and saying.ended
    assert converse(session, talk(engine, 1.0)) == expected
    session.say("breakfast is from seven to ten")
    session.hush()
    session.restart()
    assert converse(session, talk(engine, 1.0)) == expected


def test_what_is_broken_off_is_not_said_and_the_model_goes_on_after_a_silence(
    small_checkpoint: Path,
) -> None:
    engine = Engine.load(small_checkpoint, device="cpu")
    session = engine.open(TALKER, GREEDY)
    text = "breakfast is from seven to ten"
    saying, frames = session.say(text), iter(talk(engine, 8.0))
    while saying.spoken < 2:
        session.push(next(frames))
    session.hush()
    assert saying.cancelled and saying.ended
    tokens = [session.push(next(frames)).token for _ in range(60)]
    silent = max(i for i in range(len(tokens)) if tokens[i : i + QUIET] == [PAD] * QUIET)
    rest = engine.tokenizer.encode(text)
    assert silent < 10 and set(tokens[:silent]) <= {PAD, EPAD, *rest}
    assert any(token not in (PAD, EPAD) for token in tokens[silent + QUIET :])
    assert engine.states.script.given == set()


def test_the_next_session_in_a_slot_does_not_go_on_with_it(small_checkpoint: Path) -> None:
    engine = Engine.load(small_checkpoint, device="cpu")
    session = engine.open(TALKER, GREEDY)
    expected = converse(session, talk(engine, 1.0))
    saying = session.say("breakfast is from seven to ten")
    session.close()
    assert saying.cancelled
    assert converse(engine.open(TALKER, GREEDY), talk(engine, 1.0)) == expected


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no word to say"),
        ("  ", "no word to say"),
        ("😀!", "no word to say"),
        ("on 日", r"does not know '日' \(U\+65E5 CJK UNIFIED IDEOGRAPH-65E5, character 4\)"),
        ("a taxi " * LONGEST, f"at most {LONGEST}"),
    ],
)
def test_what_cannot_be_said_is_refused(small_checkpoint: Path, text: str, problem: str) -> None:
    engine = Engine.load(small_checkpoint, device="cpu")
    session = engine.open(TALKER, GREEDY)
    with pytest.raises(ValueError, match=problem):
        session.say(text)
    with pytest.raises(ValueError, match=problem):
        engine.check_text(text)


def test_a_shared_session_says_it_too(small_checkpoint: Path) -> None:
    engine = Engine.load(small_checkpoint, device="cpu")
    shared = SharedEngine(engine)
    session = shared.open(TALKER, GREEDY)
    saying = session.say("a taxi")
    for frame in talk(engine, 0.08 * (PATIENCE + 3) * 8):
        session.push(frame)
    assert saying.ended
    session.say("a taxi")
    session.hush()
    shared.close()


def test_the_bundled_model_is_understood_when_it_says_what_it_is_given() -> None:
    sentences = ["We close at five.", "The meeting room is on the second floor.",
                 "Goodbye, and have a nice day.", "We open at eight."]  # fmt: skip
    recogniser = Recogniser([*sentences, "The lifts are behind the cafeteria.", "Please wait."])
    engine = Engine.load("nano", device="cpu")
    quiet = np.zeros(engine.frame_size, np.float32)
    heard = []
    for number, sentence in enumerate(sentences):
        session = engine.open(load_persona("receptionist"), seed=number)
        for _ in range(6):
            session.push(quiet)
        saying, speech = session.say(sentence), []
        while not saying.ended:
            speech.append(session.push(quiet).audio)
        speech += [session.push(quiet).audio for _ in range(5)]  # the last word sounds on
        session.close()
        heard.append(recogniser.words(np.concatenate(speech), np.random.default_rng(0)))
    expected = [plain(sentence).split() for sentence in sentences]
    right = sum(a == b for a, b in zip(heard, expected, strict=True))
    assert right >= 3, heard
