"""Conversations made for training: their timing and what may be said in them."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest

from personaplex_ros.training.corpus import caller_words
from personaplex_ros.training.dialogue import (
    FRAME_S,
    REPLY_FRAMES,
    YIELD_FRAMES,
    Conversation,
    begin_script,
    random_conversation,
)
from personaplex_ros.training.speakers import HELD_OUT
from personaplex_ros.training.world import World, hesitations, load_world, plain


@pytest.fixture(scope="module")
def world() -> World:
    return load_world()


@pytest.fixture(scope="module")
def conversations(world: World) -> list[Conversation]:
    return [random_conversation(world, (7, number), 40.0) for number in range(25)]


def test_the_world_is_as_large_as_promised(world: World) -> None:
    assert len(world.intents) >= 30
    assert all(len(i.wordings) >= 8 and len(i.held_out) == 2 for i in world.intents.values())


def test_no_wording_asks_for_two_things(world: World) -> None:
    wordings = [plain(w) for i in world.intents.values() for w in (*i.wordings, *i.held_out)]
    assert len(wordings) == len(set(wordings))


def test_every_answer_is_accepted_and_no_other_intents_answer_is(world: World) -> None:
    rng = np.random.default_rng(0)
    facts = world.random_facts(rng)
    answers = {name: world.answer(name, facts, "Nothing.", rng) for name in world.intents}
    for asked in world.intents:
        right = [name for name in answers if world.accepts(asked, facts, "Nothing.", answers[name])]
        assert right == [asked]


def test_another_personas_answer_is_not_accepted(world: World) -> None:
    rng = np.random.default_rng(0)
    facts = world.random_facts(rng)
    draws = (world.random_facts(rng) for _ in range(1000))
    other = next(
        f for f in draws if f.name != facts.name and f.open != facts.open and f.floor != facts.floor
    )
    for intent in ("name", "hours", "meeting_room"):
        assert not world.accepts(intent, facts, "", world.answer(intent, other, "", rng))


def test_some_personas_are_never_trained_on(world: World) -> None:
    rng = np.random.default_rng(1)
    trained = {(f.name, f.company) for f in (world.random_facts(rng) for _ in range(3000))}
    unseen = {
        (f.name, f.company) for f in (world.random_facts(rng, unseen=True) for _ in range(500))
    }
    assert trained and unseen and not trained & unseen
    assert {name for name, _ in unseen} <= {name for name, _ in trained}  # each value is known


def test_callers_hesitate_only_where_more_must_come(world: World) -> None:
    assert hesitations(world, "Could you tell me where the exit is?") == [1, 2, 3, 4, 5, 6]
    assert hesitations(world, "Hello, where is the exit?") == [2, 3, 4]
    assert hesitations(world, "Can you help me with something?") == [1, 2, 5]


def test_a_seed_gives_one_conversation_in_new_processes() -> None:
    program = """
import hashlib
from personaplex_ros.training.dialogue import random_conversation
from personaplex_ros.training.world import load_world
conversation = random_conversation(load_world(), 3, 20.0)
print(hashlib.sha256(conversation.user.tobytes() + repr(conversation.lines).encode()).hexdigest())
"""
    command = [sys.executable, "-c", program]
    runs = [subprocess.run(command, check=True, capture_output=True).stdout for _ in range(2)]
    assert len(runs[0]) == 65 and runs[0] == runs[1]


def test_the_robot_begins_with_a_frame_and_answers_within_human_time(
    conversations: list[Conversation],
) -> None:
    answers = 0
    for conversation in conversations:
        users = [line for line in conversation.lines if line.speaker == "user"]
        for line in conversation.lines:
            if line.speaker == "agent":
                assert line.start_s / FRAME_S == pytest.approx(round(line.start_s / FRAME_S))
            if line.kind == "answer" and line.intent != "story":
                asked = max((u for u in users if u.intent == line.intent and
                             u.end_s <= line.start_s), key=lambda u: u.end_s)  # fmt: skip
                frames = round(line.start_s / FRAME_S) - math.ceil(asked.end_s / FRAME_S - 1e-9)
                assert frames in REPLY_FRAMES
                answers += 1
    assert answers > 50


def test_the_robot_stops_for_a_question_and_goes_on_through_a_backchannel(
    conversations: list[Conversation],
) -> None:
    stopped = passed = 0
    for conversation in conversations:
        for line in conversation.lines:
            over = [a for a in conversation.lines
                    if a.kind == "answer" and a.start_s < line.start_s < a.end_s]  # fmt: skip
            if line.kind == "interruption" and over:
                frame = math.floor(line.start_s / FRAME_S)
                assert round(over[0].end_s / FRAME_S) - frame <= max(YIELD_FRAMES) + 1
                stopped += len(over[0].words) < len(over[0].text.split())
            elif line.speaker == "user" and line.kind == "backchannel" and over:
                assert len(over[0].words) == len(over[0].text.split())
                passed += 1
    assert stopped > 5 and passed > 5


def test_hesitations_are_silent_and_unanswered(conversations: list[Conversation]) -> None:
    pauses = [(c, gap) for c in conversations for line in c.lines for gap in line.pauses]
    assert len(pauses) > 10
    for conversation, (start, end) in pauses:
        assert not [
            a for a in conversation.lines if a.speaker == "agent" and start < a.start_s < end
        ]


def test_evaluation_uses_other_voices_wordings_and_personas(world: World) -> None:
    script = begin_script(world, np.random.default_rng(5), held_out=True)
    assert script.caller.name in HELD_OUT and world.is_unseen(script.facts)
    script.question("exit")
    said = plain(script.lines[0].text)
    entry = world.intents["exit"]
    assert any(said.endswith(plain(wording)) for wording in entry.held_out)
    assert not any(said.endswith(plain(wording)) for wording in entry.wordings)


def test_every_word_of_a_caller_has_a_number(
    world: World, conversations: list[Conversation]
) -> None:
    known = caller_words(world)
    said = {plain(word.text) for c in conversations for line in c.lines
            if line.speaker == "user" for word in line.words}  # fmt: skip
    assert said <= set(known)
