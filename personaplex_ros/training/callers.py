"""What callers say: which request, in which words, with which hesitations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from personaplex_ros.training.chance import pick
from personaplex_ros.training.speech import RATE, Interval, Speech, Voice, speak
from personaplex_ros.training.world import PERSONA_INTENTS, World, hesitations, lower_first

PERSONA_SHARE, FALLBACK_SHARE = 0.33, 0.06  # of the requests
OPENER_CHANCE = 0.3  # of a question to begin with "hello", "um", ...
WITHOUT_OPENER = ("greeting", "goodbye", "thanks", "repeat")
BREAK_CHANCE = 0.8  # of an interruption to begin with "wait", "sorry", ...
PAUSE_CHANCE, PAUSE_S = 0.35, (0.3, 1.1)


@dataclass(frozen=True)
class Spoken:
    """Something a caller says, as sound; ``pauses`` are hesitations, (start, end) in seconds."""

    kind: str
    intent: str
    text: str
    speech: Speech
    pauses: tuple[tuple[float, float], ...] = ()


def random_intent(world: World, rng: np.random.Generator) -> str:
    """Draw what a caller wants; a third is about the persona."""
    if rng.random() < PERSONA_SHARE:
        return pick(PERSONA_INTENTS, rng)
    if rng.random() < FALLBACK_SHARE:
        return "fallback"
    return pick(list(world.intents), rng)


def ask(
    world: World,
    voice: Voice,
    intent: str,
    kind: str,
    rng: np.random.Generator,
    *,
    held_out: bool = False,
) -> Spoken:
    """Let a caller ask something: a "question" or an "interruption"."""
    entry = world.intents[intent]
    text = pick(entry.held_out if held_out else entry.wordings, rng)
    if kind == "interruption":
        if rng.random() < BREAK_CHANCE:
            text = f"{pick(world.breaks, rng)} {lower_first(text)}"
    elif rng.random() < OPENER_CHANCE and intent not in WITHOUT_OPENER:
        text = f"{pick(world.openers, rng)} {lower_first(text)}"
    speech = speak(text, voice)
    places = hesitations(world, text)
    if kind != "question" or not places or rng.random() > PAUSE_CHANCE:
        return Spoken(kind, intent, text, speech)
    speech, pause = hesitate(speech, pick(places, rng), float(rng.uniform(*PAUSE_S)))
    return Spoken(kind, intent, text, speech, (pause,))


def hesitate(speech: Speech, words: int, seconds: float) -> tuple[Speech, tuple[float, float]]:
    """Stop for a while after so many words; returns the speech and the gap's start and end."""
    at_s = speech.words[words].start_s
    at, gap = round(at_s * RATE), round(seconds * RATE)
    before, after = speech.samples[:at].copy(), speech.samples[at:]
    fade = min(120, len(before))
    before[len(before) - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)
    samples = np.concatenate([before, np.zeros(gap, np.float32), after])

    def later(intervals: tuple[Interval, ...]) -> tuple[Interval, ...]:
        return tuple(i if i.start_s < at_s else i.later(seconds) for i in intervals)

    moved = Speech(samples, later(speech.words), later(speech.phones))
    return moved, (at_s, at_s + seconds)
