"""What callers say: which request, in which words, with which hesitations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from personaplex_ros.training.chance import pick
from personaplex_ros.training.voices.speech import RATE, Interval, Speaker, Speech
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
    voice: Speaker,
    intent: str,
    kind: str,
    rng: np.random.Generator,
    *,
    held_out: bool = False,
) -> Spoken:
    """Let a caller ask something: a "question" or an "interruption".

    Raises ValueError where the voice knows no wording of it.
    """
    entry = world.intents[intent]
    wordings = entry.held_out if held_out else entry.wordings
    known = [wording for wording in wordings if voice.knows(wording)]
    if not known:
        raise ValueError(f"this voice cannot ask for {intent!r}")
    text = pick(known, rng)
    interrupts = kind == "interruption"
    opens = rng.random() < (BREAK_CHANCE if interrupts else OPENER_CHANCE)
    if opens and (interrupts or intent not in WITHOUT_OPENER):
        opening = pick(world.breaks if interrupts else world.openers, rng)
        opened = f"{opening} {lower_first(text)}"
        text = opened if voice.knows(opened) else text
    speech = voice.say(text)
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
