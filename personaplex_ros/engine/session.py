"""One conversation on an engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from personaplex_ros.conversing.sampling import Sampling
from personaplex_ros.conversing.saying import Saying
from personaplex_ros.conversing.step import StepResult
from personaplex_ros.engine.prepared import PreparedPersona
from personaplex_ros.persona import Persona


class SessionHost(Protocol):
    """What a session asks of the engine that made it."""

    def position(self, session: Session) -> int:
        """Return the columns that it has used."""

    def prompt_in_reach(self, session: Session) -> bool:
        """Return whether all of its prompt is seen."""

    def step(self, frames: Mapping[Session, np.ndarray]) -> Mapping[Session, StepResult]:
        """Run one frame of every given conversation."""

    def restart(
        self, session: Session, persona: Persona | PreparedPersona | None, seed: int | None
    ) -> None:
        """Begin anew in its slot."""

    def set_sampling(self, session: Session, sampling: Sampling) -> None:
        """Change how its tokens are chosen."""

    def say(self, session: Session, text: str) -> Saying:
        """Let it say a text."""

    def hush(self, session: Session) -> None:
        """End what it is given to say."""

    def keep_silent(self, session: Session) -> None:
        """Let it say nothing."""

    def go_on(self, session: Session) -> None:
        """Leave to it what it says."""

    def close(self, session: Session) -> None:
        """Free its slot."""


class Session:
    """One conversation; made by ``Engine.open``, used by one thread at a time."""

    def __init__(self, host: SessionHost, slot: int):
        self._host = host
        self.link = None  # the model runs here
        self.slot = slot
        self.steps = 0

    @property
    def position(self) -> int:
        """Columns that the model has read, the prompt's included.

        Of a context that began anew, those since then.
        """
        return self._host.position(self)

    @property
    def prompt_in_reach(self) -> bool:
        """Whether the model still sees all of the prompt; see ``Engine.load``."""
        return self._host.prompt_in_reach(self)

    def push(self, frame: np.ndarray) -> StepResult:
        """Hear one frame, float32 [frame_size] in [-1, 1], and return the agent's answer to it.

        Blocks for as long as the model needs. Raises ValueError for another shape or type, and
        ModelFault when the model's numbers are not finite.
        """
        return self._host.step({self: frame})[self]

    def restart(
        self, persona: Persona | PreparedPersona | None = None, seed: int | None = None
    ) -> None:
        """Begin a new conversation in the same slot; None keeps the persona or the seed."""
        self._host.restart(self, persona, seed)

    def set_sampling(self, sampling: Sampling) -> None:
        """Go on with other sampling settings."""
        self._host.set_sampling(self, sampling)

    def say(self, text: str) -> Saying:
        """Let the agent say a text in its voice; what it returns tells word by word how far it is.

        The model chooses when each word comes: at once where it was about to speak, else within
        0.7 s, 1.3 s between sentences. A text that is being said gives way to a new one.
        Characters that the model's tokenizer does not know are written otherwise where that can be
        done (digits as words).
        Raises ValueError for a text without words, one of more than 512 tokens, or one with
        characters that are still unknown, naming them.
        """
        return self._host.say(self, text)

    def hush(self) -> None:
        """End what the agent was given to say.

        It ends the word that it is in and is silent for a second, unless it is given another text;
        then the model goes on by itself.
        """
        self._host.hush(self)

    def keep_silent(self) -> None:
        """Let the agent say nothing from the next frame but one on, until ``go_on`` or ``say``.

        Its text is padding and its speech silence, as the model itself would have it while it
        listens, so it knows that it was silent. What it was given to say is cancelled.
        """
        self._host.keep_silent(self)

    def go_on(self) -> None:
        """Leave to the model what it says, and when; cancels what it was given to say."""
        self._host.go_on(self)

    def close(self) -> None:
        """Give the slot back. A closed session cannot be used again."""
        self._host.close(self)
