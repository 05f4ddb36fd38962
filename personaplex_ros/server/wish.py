"""What a client wants of a conversation that is to begin."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

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
