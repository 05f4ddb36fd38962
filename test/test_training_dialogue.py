"""Conversations made for training: their timing and what may be said in them."""

from __future__ import annotations

import math
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from personaplex_ros.training.conversations import dialogue
from personaplex_ros.training.conversations.callers import ask
from personaplex_ros.training.conversations.corpus import Corpus, caller_words, decisive, given
from personaplex_ros.training.conversations.corpus_making import TAIL_FRAMES, sharing_beginnings
from personaplex_ros.training.conversations.dialogue import (
    REPLY_S,
    THANKS_S,
    YIELD_S,
    Conversation,
    Sentence,
    converse,
)
from personaplex_ros.training.conversations.recording_making import record
from personaplex_ros.training.conversations.recordings import FRAME_S, Recording
from personaplex_ros.training.evaluation.scenarios import plan_dialogue
from personaplex_ros.training.voices.speakers import AGENTS, HELD_OUT, random_caller
from personaplex_ros.training.voices.speech import RATE, speak
from personaplex_ros.training.world import World, hesitations, load_world, plain


@pytest.fixture(scope="module")
def world() -> World:
    return load_world()


@pytest.fixture(scope="module")
def recordings(world: World) -> list[Recording]:
    """Return recordings whose codes are the numbers of their frames."""
    made = []
    for number in range(3):
        wave, takes = record(world, np.random.default_rng((7, number)))
        frames = np.arange(len(wave) / RATE / FRAME_S, dtype=np.int16)
        made.append(Recording(np.repeat(frames[None], 8, axis=0), takes))
    return made


@pytest.fixture(scope="module")
def sentences(world: World) -> dict[str, Sentence]:
    """Return sentences whose codes count from 2000 on."""
    made = {}
    for text in world.answers():
        words = speak(text, AGENTS["NATF0"]).words
        frames = math.ceil(words[-1].end_s / FRAME_S) + TAIL_FRAMES
        made[text] = Sentence(words, np.arange(2000, 2000 + frames)[None].repeat(8, 0))
    return made


@pytest.fixture(scope="module")
def conversations(
    world: World, recordings: list[Recording], sentences: dict[str, Sentence]
) -> list[Conversation]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dialogue, "NOBODY_CHANCE", 0.0)
        return [
            converse(world, recordings[number % 3], sentences, 40.0, np.random.default_rng(number))
            for number in range(40)
        ]


def test_the_world_is_as_large_as_promised(world: World) -> None:
    assert len(world.intents) >= 30
    assert all(len(i.wordings) >= 8 and len(i.held_out) == 2 for i in world.intents.values())


def test_no_wording_asks_for_two_things(world: World) -> None:
    wordings = [plain(w) for i in world.intents.values() for w in (*i.wordings, *i.held_out)]
    assert len(wordings) == len(set(wordings))


def test_phrasings_add_wordings_but_never_one_that_is_held_out(world: World) -> None:
    lift = world.intents["lift"]
    assert {"Where is the lift?", "Show me the stairs.", "Which way is the elevator?"} <= set(
        lift.wordings
    )
    held_out = {plain(text) for intent in world.intents.values() for text in intent.held_out}
    trained = {plain(text) for intent in world.intents.values() for text in intent.wordings}
    assert not held_out & trained
    assert all(text[0].isupper() and "{" not in text for i in world.intents.values()
               for text in i.wordings)  # fmt: skip


def test_facts_have_numbers(world: World) -> None:
    facts = world.random_facts(np.random.default_rng(1))
    names, companies = world.values["name"], list(world.values["company"])
    name, company, *others = world.numbers(facts)
    assert (names[name], companies[company]) == (facts.name, facts.company)
    assert world.values["floor"][others[-1]] == facts.floor


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


def test_a_seed_gives_one_recording_in_new_processes() -> None:
    program = """
import hashlib
import numpy as np
from personaplex_ros.training.conversations.recording_making import record
from personaplex_ros.training.world import load_world
wave, takes = record(load_world(), np.random.default_rng(3))
print(hashlib.sha256(wave.tobytes() + repr(takes).encode()).hexdigest())
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
                wait = line.start_s - asked.end_s - THANKS_S * (line.intent == "thanks")
                assert REPLY_S[0] <= wait <= REPLY_S[1] + FRAME_S
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
                assert over[0].end_s - line.start_s <= YIELD_S[1] + FRAME_S
                stopped += over[0].is_cut
            elif line.speaker == "user" and line.kind == "backchannel" and over:
                assert not over[0].is_cut
                passed += 1
    assert stopped > 5 and passed > 5


def test_where_nobody_asks_anything_the_robot_says_nothing(
    world: World, recordings: list[Recording], sentences: dict[str, Sentence], monkeypatch
) -> None:
    monkeypatch.setattr(dialogue, "NOBODY_CHANCE", 1.0)
    for chance in ("OPENED_CHANCE", "SAYS_CHANCE"):  # to be made to say something
        monkeypatch.setattr(dialogue, chance, 0.0)
    noises = 0
    for seed in range(5):
        one = converse(world, recordings[0], sentences, 40.0, np.random.default_rng(seed))
        assert one.frames * FRAME_S > 30
        assert {(line.speaker, line.kind) for line in one.lines} <= {("user", "noise")}
        noises += len(one.lines)
    assert noises > 10


def test_hesitations_are_silent_and_unanswered(conversations: list[Conversation]) -> None:
    pauses = [(c, gap) for c in conversations for line in c.lines for gap in line.pauses]
    assert len(pauses) > 10
    for conversation, (start, end) in pauses:
        assert not [
            a for a in conversation.lines if a.speaker == "agent" and start < a.start_s < end
        ]


def test_evaluation_uses_other_voices_wordings_and_personas(world: World) -> None:
    plan = plan_dialogue(world, (5, 1))
    assert plan.caller in HELD_OUT and world.is_unseen(plan.facts)
    for utterance in plan.utterances:
        if utterance.kind != "backchannel":
            entry, said = world.intents[utterance.intent], plain(utterance.text)
            assert any(said.endswith(plain(wording)) for wording in entry.held_out)
    trained = random_caller(np.random.default_rng(0))
    entry, said = (
        world.intents["exit"],
        ask(world, trained, "exit", "question", np.random.default_rng(1)),
    )
    assert any(plain(said.text).endswith(plain(wording)) for wording in entry.wordings)


def test_the_robot_can_say_every_answer_of_every_persona(world: World) -> None:
    rng, known = np.random.default_rng(4), set(world.answers())
    for _ in range(200):
        facts = world.random_facts(rng, unseen=bool(rng.integers(2)))
        last = ""
        for intent in world.intents:
            said = world.answer(intent, facts, last or "Goodbye, and have a nice day.", rng)
            if intent == "repeat" and not last:
                continue
            assert said in known
            last = said if intent != "repeat" else last


def test_takes_are_where_the_recording_is_loud(world: World, monkeypatch) -> None:
    # Elsewhere the robot or others may be heard between them.
    monkeypatch.setattr("personaplex_ros.training.conversations.recording_making.EASY_CHANCE", 1.0)
    monkeypatch.setattr("personaplex_ros.training.sound.microphone.NOISE_DB", (-75, -65))
    wave, takes = record(world, np.random.default_rng(1))
    power = np.square(wave[: len(wave) // 1920 * 1920].reshape(-1, 1920)).mean(1)
    recording = Recording(np.zeros((8, len(power)), np.int16), takes)
    quiet = np.concatenate([np.arange(a, b) for a, b in recording.quiet])
    loud = np.array([
        power[take.first + int(word.start_s / FRAME_S) : take.first + int(word.end_s / FRAME_S) + 1]
        .max() for take in takes for word in take.words
    ])  # fmt: skip
    assert np.median(loud) > 100 * np.median(power[quiet])
    assert power[quiet].max() < np.median(loud) / 10


def test_codes_of_a_conversation_are_those_of_what_is_said(
    world: World, recordings: list[Recording], sentences: dict[str, Sentence], monkeypatch
) -> None:
    monkeypatch.setattr(dialogue, "NOBODY_CHANCE", 0.0)

    class Words:
        def encode(self, word: str) -> list[int]:
            return [10 + len(word)]

    class Silent:
        silence = np.full((8, 1), 1999)
        tokenizer = Words()

    materials: Any = Silent()
    corpus = Corpus(world, materials, recordings[:1], {"NATF0": sentences}, {"NATF0": []}, 40.0)
    quiet = {frame for a, b in recordings[0].quiet for frame in range(a, b)}
    for seed in range(10):
        example = corpus.example(np.random.default_rng(seed))
        text, agent, user = example.rows[0], example.rows[1], example.rows[9]
        starts = np.flatnonzero(agent == 2000)
        assert len(starts) >= 3
        for start in starts:
            assert text[start] > 10 and text[start - 1] in (0, 3), "a word where speech begins"
            run = agent[start : start + 5]
            assert (run - 2000 == np.arange(len(run)))[:4].all()
        assert ((agent == 1999) | (agent >= 2000)).all()
        takes = {take.first: take for take in recordings[0].takes}
        begun = [frame for frame in range(len(user)) if user[frame] in takes]
        assert begun
        for frame in begun[:-1]:
            take = takes[user[frame]]
            heard = user[frame : frame + take.frames]
            spoken = math.ceil(take.end_s / FRAME_S)
            assert (heard - take.first == np.arange(len(heard)))[:spoken].all()
        words = sum(len(takes[user[frame]].words) for frame in begun)
        assert 0.8 * words <= (example.heard >= 0).sum() <= words
        inside = {f for take in takes.values() for f in range(take.first, take.first + take.frames)}
        assert set(user.tolist()) <= quiet | inside


def test_every_word_of_a_caller_has_a_number(
    world: World, conversations: list[Conversation]
) -> None:
    known = caller_words(world)
    said = {plain(word.text) for c in conversations for line in c.lines
            if line.speaker == "user" for word in line.words}  # fmt: skip
    assert said <= set(known)


def test_sentences_sound_the_same_until_they_differ() -> None:
    texts = ["My name is Maya.", "My name is Oscar.", "We open at ten in the morning."]
    said = sharing_beginnings(texts, AGENTS["NATM0"])
    one, other, third = said.values()
    join = one.words[3].start_s
    same = round((join - 0.006) * RATE)  # until the fade
    assert np.array_equal(one.samples[:same], other.samples[:same])
    assert not np.array_equal(one.samples[: 2 * same], other.samples[: 2 * same])
    assert not np.array_equal(one.samples[:same], third.samples[:same])
    assert [word.text for word in other.words] == ["My", "name", "is", "Oscar."]
    assert other.words[3].start_s == pytest.approx(join, abs=1e-3)
    assert other.duration_s == pytest.approx(len(other.samples) / RATE)
    assert other.words[-1].end_s == pytest.approx(other.duration_s, abs=1e-3)


def test_what_the_robot_is_made_to_say_is_not_learnt_to_be_begun(
    world: World, recordings: list[Recording], sentences: dict[str, Sentence], monkeypatch
) -> None:
    monkeypatch.setattr(dialogue, "OPENED_CHANCE", 1.0)
    greeted = 0
    for seed in range(8):
        one = converse(world, recordings[0], sentences, 40.0, np.random.default_rng(seed))
        first, mask = one.lines[0], given(one)
        assert (first.speaker, first.kind) == ("agent", "given")
        begin = round(first.start_s / FRAME_S)
        assert mask[begin - 1 : begin + 2].all() and not mask[begin + 2]
        marked = sum(line.kind == "given" for line in one.lines)
        assert mask.sum() == 3 * marked
        after = next(line for line in one.lines if line.speaker == "user")
        assert after.start_s > first.end_s
        greeted += first.intent == "greeting"
    assert 0 < greeted < 8


def test_where_a_sound_for_nobody_ends_it_counts_not_to_answer(
    conversations: list[Conversation],
) -> None:
    ends = [(decisive(one), line) for one in conversations for line in one.lines
            if line.kind == "noise" and line.end_s + 1 < one.frames * FRAME_S]  # fmt: skip
    assert len(ends) > 5
    for mask, line in ends:
        end = round(line.end_s / FRAME_S)
        assert mask[end : end + 5].all()


def test_onsets_facts_and_giving_way_are_marked(conversations: list[Conversation]) -> None:
    gave_way = 0
    for conversation in conversations[:10]:
        mask = decisive(conversation)
        for line in conversation.lines:
            if line.speaker == "agent":
                assert mask[round(line.start_s / FRAME_S)]
                if line.is_cut:
                    assert mask[round(line.end_s / FRAME_S)]
                    gave_way += 1
                for word in line.words:
                    if plain(word.text) == plain(conversation.facts.name):
                        assert mask[int(word.start_s / FRAME_S)]
                    if plain(word.text) in ("reception", "take", "room") and not line.is_cut:
                        middle = int((word.start_s + word.end_s) / 2 / FRAME_S)
                        assert not mask[middle] or middle - line.start_s / FRAME_S < 2
        assert 0.01 < mask.mean() < 0.4
    assert gave_way
