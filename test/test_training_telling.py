"""What tells what a caller wants, and that the robot asks where too little of it was understood."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from listening_support import NANO

from personaplex_ros.checkpoint import CheckpointFiles, load_language_model
from personaplex_ros.training.conversations.corpus import Materials, caller_words, encode
from personaplex_ros.training.conversations.dialogue import UNCLEAR, Script
from personaplex_ros.training.conversations.recording_making import record
from personaplex_ros.training.conversations.recordings import Recording, Take
from personaplex_ros.training.conversations.telling import (
    Listener,
    mark_unclear,
    telling,
    understood,
    word_weights,
)
from personaplex_ros.training.learning.listening import heard_loss, known_head
from personaplex_ros.training.recipe import load_recipe
from personaplex_ros.training.voices.speech import Interval
from personaplex_ros.training.world import World, load_world


@pytest.fixture(scope="module")
def world() -> World:
    return load_world()


@pytest.fixture(scope="module")
def listener(world: World) -> Iterator[Listener]:
    files = CheckpointFiles.find(NANO)
    head = known_head(NANO, caller_words(world))
    assert head is not None
    yield Listener(load_language_model(files.model, files.config, "cpu", torch.float32), head)


@pytest.fixture(scope="module")
def recording(world: World) -> Recording:
    wave, takes = record(world, np.random.default_rng((3, 1)))
    return Recording(encode(Materials.load(NANO).codec, wave), takes)


def take(text: str, first: int = 10, frames: int = 20) -> Take:
    return Take("question", "toilet", text, first, frames, 0.0, 1.5, (Interval("a", 0.0, 1.0),))


def test_a_word_of_one_intent_tells_all_and_one_of_most_next_to_nothing(world: World) -> None:
    tells = telling(world)
    assert tells["toilet"] == 1.0
    assert 0.0 <= tells["the"] < tells["find"] < tells["coffee"] <= 1.0
    words = list(caller_words(world))
    weights = word_weights(world, words)
    assert weights[words.index("toilet")] > 2 * weights[words.index("the")] > 0.0


def test_of_what_is_named_only_that_counts_which_tells_and_is_named_in_time() -> None:
    tells = {"toilet": 1.0, "the": 0.0, "where": 0.5}
    words = [""] * 60
    words[12], words[14] = "the", "where"
    assert understood(take("Where is the toilet?"), words, tells) == pytest.approx(0.5 / 1.5)
    words[32] = "toilet"
    assert understood(take("Where is the toilet?"), words, tells) == 1.0
    words[32], words[33] = "", "toilet"
    assert understood(take("Where is the toilet?"), words, tells) < 0.5
    assert understood(take("Toilet, toilet!"), [*words[:12], "toilet", *words], tells) == 0.5
    assert understood(take("Um."), words, tells) == 1.0, "who tells nothing is asked nothing"


def test_an_easy_voice_is_understood_and_the_same_in_other_codes_is_not(
    listener: Listener, recording: Recording, world: World
) -> None:
    tells = telling(world)
    (clear,) = mark_unclear([recording], listener, tells, 0.3)
    asked = [one for one in recording.takes if one.kind in ("question", "interruption")]
    unclear = [one for one in clear.takes if one.intent == UNCLEAR]
    assert len(unclear) <= 0.2 * len(asked)
    wrong = replace(recording, codes=(recording.codes + 131) % 512)
    (garbled,) = mark_unclear([wrong], listener, tells, 0.3)
    unclear = [one for one in garbled.takes if one.intent == UNCLEAR]
    beyond = [one for one in asked if one.intent == "fallback"]
    assert len(unclear) >= 0.8 * (len(asked) - len(beyond))
    assert not any(one.kind in ("backchannel", "noise") for one in unclear)
    assert [one.intent for one in garbled.takes if one.text in {b.text for b in beyond}] == [
        "fallback"
    ] * len(beyond)


def test_what_is_unclear_is_asked_for_again_and_can_be_repeated_afterwards(world: World) -> None:
    rng = np.random.default_rng(0)

    script = Script(world, world.random_facts(rng), {}, {}, rng, last="The lifts are there.")
    said: list[str] = []
    script.agent_says = lambda text, *_: said.append(text)  # type: ignore[assignment, return-value]
    script.reply(script.user_says(replace(take("Whrgh?"), intent=UNCLEAR), "question"))
    assert said[0] in world.unclear and set(world.unclear) <= set(world.answers())
    assert script.last == "The lifts are there."


def test_words_that_tell_more_weigh_more_in_what_is_learnt() -> None:
    logits, heard = torch.zeros(3, 4), torch.tensor([-1, 0, 2])
    logits[1, 1] = 5.0  # the first word is known, the third is not
    plain_loss = heard_loss(logits, heard)
    assert heard_loss(logits, heard, torch.ones(3)) == plain_loss
    assert heard_loss(logits, heard, torch.tensor([3.0, 1.0, 0.2])) < plain_loss
    assert heard_loss(logits, heard, torch.tensor([0.2, 1.0, 3.0])) > plain_loss


@pytest.mark.parametrize("least_heard", ["1.5", "-0.1", "much"])
def test_a_share_that_has_to_be_heard_is_one(tmp_path: Path, least_heard: str) -> None:
    recipe = tmp_path / "toy.yaml"
    recipe.write_text(f"based_on: nano\nleast_heard: {least_heard}\n")
    with pytest.raises(ValueError, match=r"toy\.yaml"):
        load_recipe(recipe)
    assert load_recipe("nano").least_heard == 0.0
