"""What is said in a turn, and where the speaker pauses before it is over."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from personaplex_ros.training.chance import pick
from personaplex_ros.training.world import OPEN_ENDED, World, lower_first

KINDS = ("whole", "hesitation", "told_first", "clause", "list", "story", "answer")
CHANCES = (0.30, 0.26, 0.14, 0.10, 0.07, 0.05, 0.08)
WORLD_SHARE = 0.4  # of questions and requests that are nano's callers'
OPEN_SHARE = 0.6  # of hesitations, where what came before cannot be all
FILLER_CHANCE = 0.25  # of a hesitation to be voiced


def random_turn(world: World, rng: np.random.Generator) -> list[str]:
    """Return what is said before each pause, and at last what ends the turn."""
    kind = str(rng.choice(KINDS, p=CHANCES))
    if kind == "hesitation":
        return _hesitating(_asked(world, rng), rng)
    if kind == "told_first":
        told = [_fill("statements", rng) for _ in range(1 + (rng.random() < 0.3))]
        return [*told, _asked(world, rng)]
    if kind == "clause":
        return [_fill("clauses", rng), lower_first(_asked(world, rng))]
    if kind == "list":
        return _fill("lists", rng).split(" | ")
    if kind == "story":
        return [_fill("statements", rng) for _ in range(int(rng.integers(2, 4)))]
    return [_fill("answers", rng) if kind == "answer" else _asked(world, rng)]


def _asked(world: World, rng: np.random.Generator) -> str:
    if rng.random() < WORLD_SHARE:
        return pick(pick(list(world.intents.values()), rng).wordings, rng)
    return _fill("questions" if rng.random() < 0.65 else "requests", rng)


def _hesitating(text: str, rng: np.random.Generator) -> list[str]:
    """Break a sentence once or twice between words."""
    words = text.split()
    places = list(range(1, len(words)))
    likely = [at for at in places if words[at - 1].lower() in OPEN_ENDED]
    if not places:
        return [text]
    parts = []
    chosen = {pick(likely if likely and rng.random() < OPEN_SHARE else places, rng)}
    if len(words) > 7 and rng.random() < 0.25:
        chosen.add(pick(places, rng))
    before = 0
    for place in sorted(chosen):
        part = " ".join(words[before:place]).rstrip(",.")
        if rng.random() < FILLER_CHANCE:
            part += f", {pick(_texts()['slots']['filler'], rng)}"
        parts.append(part + pick((",", ",", "", "...", " -"), rng))
        before = place
    return [*parts, " ".join(words[before:])]


def _fill(kind: str, rng: np.random.Generator) -> str:
    """Draw a text and fill its slots, those that a filling brings with it, too."""
    text, slots = pick(_texts()[kind], rng), _texts()["slots"]
    while "{" in text:
        text = re.sub(r"\{(\w+)\}", lambda slot: pick(slots[slot[1]], rng), text, count=1)
    return text[0].upper() + text[1:]


@functools.cache
def _texts() -> Mapping[str, Any]:
    text = Path(__file__).with_name("texts.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(text)


def spoken(parts: Sequence[str]) -> str:
    """Return a turn as one line."""
    return " / ".join(parts)
