"""What a client wants, from the query of its request."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from personaplex_ros.engine import Persona, Sampling
from personaplex_ros.server.limits import Limits
from personaplex_ros.server.refusal import Cause, Refusal
from personaplex_ros.server.wish import Wish, any_seed

Number = TypeVar("Number", int, float)

NEUTRAL = {"pad_mult": 0.0, "repetition_penalty": 1.0}
"""What the model has no means for, and the value with which nothing is asked for."""
NEW = "new"
LARGEST_SEED = 2**63 - 1
MOST = Sampling()
"""Of tokens to choose from: more would make room for it in everybody's frames."""


@dataclass(frozen=True)
class Query:
    """A conversation that is to begin as `wish`, or the one of the key `resume` that goes on.

    resumable: whether the client wants to find it again if the connection breaks.
    """

    wish: Wish
    resume: str | None
    resumable: bool


def read_query(
    query: Mapping[str, str], default: Persona, sampling: Sampling, limits: Limits
) -> Query:
    """Read a query; what it does not name is the server's, what nobody knows is passed over.

    Raises Refusal with every parameter that cannot be honoured.
    """
    reader = _Reader(query)
    wish = Wish(_persona(reader, default, limits), _sampling(reader, sampling), _seed(reader))
    for name, neutral in NEUTRAL.items():
        asked = reader.number(name, float, -math.inf, math.inf)
        if asked is not None and asked != neutral:
            reader.refuse(f"{name} is {asked:g}; this server has it at {neutral:g} always")
    key = query.get("resume")
    if reader.problems:
        raise Refusal(Cause.BAD, "; ".join(reader.problems))
    return Query(wish, None if key in (None, NEW) else key, key is not None)


class _Reader:
    """Reads numbers of a query and collects what is wrong with them."""

    def __init__(self, query: Mapping[str, str]) -> None:
        self.query = query
        self.problems: list[str] = []

    def refuse(self, problem: str) -> None:
        self.problems.append(problem)

    def number(
        self, name: str, kind: Callable[[str], Number], least: Number, most: Number
    ) -> Number | None:
        """Return a number from `least` to `most`; None where there is none, or a wrong one."""
        if name not in self.query:
            return None
        text = self.query[name]
        try:
            value = kind(text)
        except ValueError:
            self.refuse(f"{name} is {text[:40]!r}, which is no number")
            return None
        if not least <= value <= most:
            self.refuse(f"{name} is {text[:40]}; it must be from {least:g} to {most:g}")
            return None
        return value


def _persona(reader: _Reader, default: Persona, limits: Limits) -> Persona:
    text, voice = reader.query.get("text_prompt"), reader.query.get("voice_prompt")
    if text is not None and len(text) > limits.prompt_characters:
        reader.refuse(
            f"text_prompt has {len(text)} characters; at most {limits.prompt_characters} are taken"
        )
    if text is None and not voice:
        return default
    return Persona(
        "prompt",
        default.text_prompt if text is None else text,
        voice or default.voice,
    )


def _sampling(reader: _Reader, base: Sampling) -> Sampling:
    text_heat, text_rank = _choice(reader, "text", MOST.text_top_k)
    audio_heat, audio_rank = _choice(reader, "audio", MOST.audio_top_k)
    if (text_heat, text_rank, audio_heat, audio_rank) == (None, None, None, None):
        return base
    return Sampling(
        text_heat or base.text_temperature,
        text_rank or base.text_top_k,
        audio_heat or base.audio_temperature,
        audio_rank or base.audio_top_k,
    )


def _choice(reader: _Reader, kind: str, most: int) -> tuple[float | None, int | None]:
    """Return temperature and top-k; of temperature 0 it is the most likely token: top-k 1."""
    heat = reader.number(f"{kind}_temperature", float, 0.0, 10.0)
    top_k = reader.number(f"{kind}_topk", int, 1, most)
    return (None, 1) if heat == 0.0 else (heat, top_k)


def _seed(reader: _Reader) -> int:
    """Return the seed: a text and an audio seed make one; of -1 or none, any."""
    seed, text, audio = (
        reader.number(name, int, -1, LARGEST_SEED) for name in ("seed", "text_seed", "audio_seed")
    )
    if seed is None and text is not None:
        seed = -1 if -1 in (text, audio) else (1_000_003 * text + (audio or 0)) & LARGEST_SEED
    return any_seed() if seed is None or seed == -1 else seed
