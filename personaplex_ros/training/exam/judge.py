"""What a dialogue was like: every definition that the table's figures rest on."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from personaplex_ros.training.dialogue import FRAME_S
from personaplex_ros.training.exam.caller import Said, sounds
from personaplex_ros.training.world import PERSONA_INTENTS, Facts, World, fill, plain

WINDOW_S = 0.01  # of ``sounds``
YIELD_S = 0.6  # within which an interrupted robot is to be silent
REPLY_S = 3.0  # within which an answer has to begin


@dataclass(frozen=True)
class Dialogue:
    """A finished dialogue, everything at the time at which it was heard."""

    facts: Facts
    voice: str
    prompt: str
    said: tuple[Said, ...]
    user: NDArray[np.float32]  # [n] at 24 kHz
    robot: NDArray[np.float32]  # [n]; what a step returns is heard in the frame after it
    pieces: tuple[tuple[float, str], ...]  # second and text of every piece of a word


@dataclass
class Counts:
    """Outcomes by measure; every entry is one opportunity."""

    right: list[bool] = field(default_factory=list)
    persona: list[bool] = field(default_factory=list)
    takeover: list[bool] = field(default_factory=list)
    latency_s: list[float] = field(default_factory=list)
    pause_takeover: list[bool] = field(default_factory=list)
    yielded: list[bool] = field(default_factory=list)
    new_answer: list[bool] = field(default_factory=list)
    went_on: list[bool] = field(default_factory=list)
    answers: list[tuple[str, float, float]] = field(default_factory=list)  # text, from, to
    notes: list[dict[str, object]] = field(default_factory=list)  # for whoever reads the report


def judge(world: World, dialogue: Dialogue) -> Counts:
    """Judge all that the caller said."""
    counts = Counts()
    loud = sounds(dialogue.robot)
    said = dialogue.said
    for index, item in enumerate(said):
        later = [other for other in said[index + 1 :] if other.plan.kind != "backchannel"]
        until = later[0].start_s if later else len(dialogue.robot) / 24_000
        if item.plan.kind == "backchannel":
            _backchannel(world, dialogue, counts, loud, item, said[index - 1], until)
            continue
        broken_off = bool(later) and later[0].plan.kind == "interruption"
        for begin, end in item.pauses:
            counts.pause_takeover.append(bool(begins(loud, begin, end + 0.1)))
        text = heard_text(dialogue, item.end_s, until)
        right = world.accepts(item.plan.intent, dialogue.facts, "", text)
        if item.plan.kind == "interruption":
            silent = ~loud[_at(item.start_s + YIELD_S) : _at(item.start_s + YIELD_S + 0.2)]
            counts.yielded.append(bool(silent.all()))
            counts.new_answer.append(right)
        if not broken_off:
            counts.right.append(right)
            if item.plan.intent in PERSONA_INTENTS:
                counts.persona.append(right)
        latency = reply_latency(loud, item.end_s, min(until, item.end_s + REPLY_S))
        counts.takeover.append(latency is not None)
        if latency is not None:
            counts.latency_s.append(latency)
            if (
                right
                and not broken_off
                and not any(o.plan.kind == "backchannel" for o in said[index + 1 : index + 2])
            ):
                counts.answers.append((text, item.end_s, until))
        counts.notes.append({
            "start_s": round(item.start_s, 2), "end_s": round(item.end_s, 2),
            "caller": item.plan.text, "kind": item.plan.kind, "intent": item.plan.intent,
            "robot": text, "right": right, "broken_off": broken_off,
            "latency_s": None if latency is None else round(latency, 3),
        })  # fmt: skip
    return counts


def reply_latency(loud: NDArray[np.bool_], end_s: float, until_s: float) -> float | None:
    """Return how long after ``end_s`` the robot is first heard; 0 if it already speaks."""
    part = loud[_at(end_s) : _at(until_s)]
    return float(part.argmax()) * WINDOW_S if part.any() else None


def begins(loud: NDArray[np.bool_], start_s: float, end_s: float) -> bool:
    """Whether the robot begins to speak in a span after 0.2 s of silence."""
    first, last = _at(start_s), _at(end_s)
    return any(
        loud[place] and not loud[max(0, place - 20) : place].any() for place in range(first, last)
    )


def heard_text(dialogue: Dialogue, start_s: float, end_s: float) -> str:
    """Return the robot's text of a span; its pieces come with the sound, or a frame before it."""
    return "".join(
        piece for at, piece in dialogue.pieces if start_s - FRAME_S <= at < end_s + FRAME_S
    ).strip()


def _backchannel(
    world: World,
    dialogue: Dialogue,
    counts: Counts,
    loud: NDArray[np.bool_],
    item: Said,
    question: Said,
    until: float,
) -> None:
    """Judge a robot to go on if it ends its answer, or is still heard well after."""
    answer = fill(world.intents[question.plan.intent].answers[0], dialogue.facts, "")
    text = heard_text(dialogue, question.end_s, until)
    whole = plain(text).split()[-2:] == plain(answer).split()[-2:]
    after = loud[_at(item.start_s + YIELD_S) : _at(item.start_s + YIELD_S + 0.4)].any()
    counts.went_on.append(bool(whole or after))
    counts.notes.append({
        "start_s": round(item.start_s, 2), "caller": item.plan.text, "kind": "backchannel",
        "robot": text, "went_on": counts.went_on[-1],
    })  # fmt: skip


def _at(seconds: float) -> int:
    return max(0, round(seconds / WINDOW_S))
