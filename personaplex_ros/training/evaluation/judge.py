"""What was right in a conversation and what was not, with the ground for each verdict."""

from __future__ import annotations

import re
from dataclasses import dataclass

from personaplex_ros.training.evaluation.caller import Said
from personaplex_ros.training.evaluation.converse import Dialogue
from personaplex_ros.training.evaluation.measures import (
    breaks_in,
    falls_silent,
    silence_after,
    still_heard,
    takeover_latency,
)
from personaplex_ros.training.evaluation.turns import Turn, turns
from personaplex_ros.training.world import PERSONA_INTENTS, World, fill, plain

PAUSES_S = (0.4, 1.0)  # pauses within a sentence that are judged
ROUNDING_S = 1e-4


@dataclass(frozen=True)
class Verdict:
    """One thing judged.

    ``measure`` is "answer", "persona", "takeover", "latency", "pause", "silenced",
    "silenced_after", "new_answer" or "goes_on"; ``value`` is 1 if it was so and 0 if not, or
    seconds for "latency" and "silenced_after"; ``ground`` says what was seen.
    """

    measure: str
    at_s: float
    value: float
    ground: str


def judge(dialogue: Dialogue, world: World) -> list[Verdict]:
    """Judge everything in a dialogue."""
    verdicts: list[Verdict] = []
    for turn in turns(dialogue.said, dialogue.duration_s):
        if turn.asked.utterance.kind == "question":
            verdicts += _pauses(dialogue, turn.asked) + _takeover(dialogue, turn.asked)
        else:
            verdicts += _yielding(dialogue, turn.asked)
        if not turn.interrupted:
            verdicts += _answer(dialogue, turn, world)
            if turn.into is not None:
                verdicts.append(_going_on(dialogue, turn, turn.into, world))
    return verdicts


def judge_story(dialogue: Dialogue, world: World) -> list[Verdict]:
    """Judge how the robot listened to a story: "murmurs", "listens" and "story_answer"."""
    (story,) = dialogue.said
    during = plain(dialogue.text(story.start_s, story.end_s))
    after = dialogue.text(story.end_s, dialogue.duration_s)
    murmurs = "|".join(re.escape(plain(text)) for text in world.agent_backchannels)
    rest = re.sub(rf"\b({murmurs})\b", "", during).strip()
    answered = any(plain(accepted) in plain(after) for accepted in world.stories["accept"])
    return [
        Verdict("murmurs", story.start_s, during != rest, during),
        Verdict("listens", story.start_s, not rest, during),
        Verdict("story_answer", story.end_s, answered, after),
    ]


def _pauses(dialogue: Dialogue, asked: Said) -> list[Verdict]:
    least, most = PAUSES_S
    return [
        Verdict("pause", start, breaks_in(dialogue.sound, (start, end)), f"of {end - start:.2f} s")
        for start, end in asked.pauses
        if least - ROUNDING_S <= end - start <= most + ROUNDING_S
    ]


def _takeover(dialogue: Dialogue, asked: Said) -> list[Verdict]:
    latency = takeover_latency(dialogue.sound, asked.end_s)
    if latency is None:
        return [Verdict("takeover", asked.end_s, 0, "not heard in time, or not silent before")]
    taken = Verdict("takeover", asked.end_s, 1, f"heard after {latency:.2f} s")
    return [taken, Verdict("latency", asked.end_s, latency, "")]


def _yielding(dialogue: Dialogue, asked: Said) -> list[Verdict]:
    start, end = asked.start_s, asked.end_s
    silent = falls_silent(dialogue.sound, start, end)
    after = silence_after(dialogue.sound, start, end)
    return [
        Verdict("silenced", start, silent, f"last heard {after:.2f} s after the onset"),
        Verdict("silenced_after", start, after, ""),
    ]


def _answer(dialogue: Dialogue, turn: Turn, world: World) -> list[Verdict]:
    asked, facts = turn.asked.utterance, dialogue.plan.facts
    text = dialogue.text(turn.asked.end_s, turn.until_s)
    right = world.accepts(asked.intent, facts, "", text)
    ground = f"{asked.intent}: {text}"
    if asked.kind == "interruption":
        return [Verdict("new_answer", turn.asked.end_s, right, ground)]
    measures = ["answer"] + ["persona"] * (asked.intent in PERSONA_INTENTS)
    return [Verdict(measure, turn.asked.end_s, right, ground) for measure in measures]


def _going_on(dialogue: Dialogue, turn: Turn, into: Said, world: World) -> Verdict:
    """Judge whether the robot is still heard, or else says some whole answer."""
    text = dialogue.text(turn.asked.end_s, turn.until_s)
    heard = still_heard(dialogue.sound, into.start_s)
    whole = [
        answer
        for intent in world.intents.values()
        for answer in (plain(fill(a, dialogue.plan.facts, "")) for a in intent.answers)
        if intent.name != "repeat" and answer in plain(text)
    ]
    ground = "still heard" if heard else f"no longer heard, has said: {text}"
    return Verdict("goes_on", into.start_s, heard or bool(whole), ground)
