"""One conversation on an engine, and what a step of it returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from personaplex_ros.engine.prepared import PreparedPersona
from personaplex_ros.engine.saying import Saying
from personaplex_ros.lm import Sampling
from personaplex_ros.persona import Persona

if TYPE_CHECKING:
    from personaplex_ros.engine.engine import Engine


@dataclass(frozen=True)
class StepTiming:
    """Where the time of one step went, in seconds."""

    encode: float
    temporal: float
    depth: float
    decode: float
    total: float


@dataclass(frozen=True)
class StepResult:
    """What the agent says in one frame.

    The model answers a frame late: step ``index`` returns the agent's frame ``index - 1``, and
    the first step returns the last frame of the prompt.
    """

    index: int  # steps since the conversation began
    audio: np.ndarray  # float32 [frame_size]
    token: int  # text id of the frame
    piece: str  # its text, a leading space begins a word; empty when silent
    silent: str  # "PAD" or "EPAD" when silent, else empty
    codes: np.ndarray  # int64 [codebooks], the frame of speech as codes
    timing: StepTiming


class Session:
    """One conversation; made by ``Engine.open``, used by one thread at a time."""

    def __init__(self, engine: Engine, slot: int):
        self._engine = engine
        self.slot = slot
        self.steps = 0

    @property
    def position(self) -> int:
        """Columns that the model has read, the prompt's included."""
        return self._engine.position(self)

    def push(self, frame: np.ndarray) -> StepResult:
        """Hear one frame, float32 [frame_size] in [-1, 1], and return the agent's answer to it.

        Blocks for as long as the model needs. Raises ValueError for another shape or type, and
        ModelFault when the model's numbers are not finite.
        """
        return self._engine.step({self: frame})[self]

    def restart(
        self, persona: Persona | PreparedPersona | None = None, seed: int | None = None
    ) -> None:
        """Begin a new conversation in the same slot; None keeps the persona or the seed."""
        self._engine.restart(self, persona, seed)

    def set_sampling(self, sampling: Sampling) -> None:
        """Go on with other sampling settings."""
        self._engine.set_sampling(self, sampling)

    def say(self, text: str) -> Saying:
        """Let the agent say a text in its voice; what it returns tells word by word how far it is.

        The model chooses when each word comes: at once where it was about to speak, else within
        0.7 s. A text that is being said gives way to a new one. Characters that the model's
        tokenizer does not know are written otherwise where that can be done (digits as words).
        Raises ValueError for a text without words, one of more than 512 tokens, or one with
        characters that are still unknown, naming them.
        """
        return self._engine.say(self, text)

    def hush(self) -> None:
        """End what the agent was given to say.

        It ends the word that it is in and is silent for a second, unless it is given another text;
        then the model goes on by itself.
        """
        self._engine.hush(self)

    def close(self) -> None:
        """Give the slot back. A closed session cannot be used again."""
        self._engine.close(self)
