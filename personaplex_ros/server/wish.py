"""What a client wants of a conversation that is to begin."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace

from personaplex_ros.engine import Persona, Sampling


@dataclass(frozen=True)
class Wish:
    """Who the robot is to be, how its tokens are chosen, and the seed of the choice."""

    persona: Persona
    sampling: Sampling
    seed: int


def any_seed() -> int:
    """Return a seed for a client that names none."""
    return secrets.randbits(31)


def with_memory(wish: Wish, said: str) -> Wish:
    """Return a wish whose robot is told what it said before, if it is told who it is at all."""
    persona = wish.persona
    if not said or not persona.text_prompt:
        return wish
    text = f"{persona.text_prompt} Before, you said: {said}"
    return replace(wish, persona=replace(persona, text_prompt=text))
