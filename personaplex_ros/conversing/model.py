"""The model that a node talks with, as the node sees it: an engine and its conversations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from personaplex_ros.conversing.link import AnyLink
from personaplex_ros.conversing.sampling import Sampling
from personaplex_ros.conversing.saying import Saying
from personaplex_ros.conversing.step import StepResult
from personaplex_ros.persona import Persona


@dataclass(frozen=True)
class Startup:
    """How long the engine took until its first frame, in seconds."""

    load_s: float = 0.0
    warm_up_s: float = 0.0


class AnyPrepared(Protocol):
    """A persona that conversations can begin as at once."""

    @property
    def persona(self) -> Persona:
        """Who it is."""

    @property
    def left_out(self) -> str:
        """Symbols of the text prompt that have no words, as emoji."""


class AnySession(Protocol):
    """One conversation; ``engine.Session`` says what each method does."""

    @property
    def position(self) -> int:
        """Columns that the model has read, the prompt's included; 0 where nobody tells."""

    @property
    def prompt_in_reach(self) -> bool | None:
        """Whether the model still sees all of the prompt; None where nobody tells."""

    @property
    def link(self) -> AnyLink | None:
        """The connection to a model that runs elsewhere; None where it runs here."""

    def push(self, frame: np.ndarray) -> StepResult:
        """Hear one frame, float32 [frame_size] in [-1, 1], and return what is said next."""

    def restart(self, persona: Any = None, seed: int | None = None) -> None:
        """Begin anew, as a prepared persona if one is given; None keeps persona or seed."""

    def set_sampling(self, sampling: Sampling) -> None:
        """Go on with other sampling settings."""

    def say(self, text: str) -> Saying:
        """Say a text; raises ValueError where it cannot be said."""

    def hush(self) -> None:
        """End what it was given to say."""

    def keep_silent(self) -> None:
        """Say nothing until ``go_on``."""

    def go_on(self) -> None:
        """Say what the model wants, when it wants."""

    def close(self) -> None:
        """End it."""


class AnyEngine(Protocol):
    """A loaded model, or the connection to one; ``engine.Engine`` says what each method does."""

    @property
    def sample_rate(self) -> int:
        """Samples a second of both sides, in Hz."""

    @property
    def frame_size(self) -> int:
        """Samples a frame."""

    @property
    def context_frames(self) -> int:
        """Columns that the model can look back; 0 where nobody tells."""

    @property
    def long_conversation(self) -> str:
        """What is kept of a conversation that outlasts the context; empty where nobody tells."""

    @property
    def device(self) -> object:
        """Where the model runs; its text is shown."""

    @property
    def memory_bytes(self) -> int | None:
        """What it holds of a GPU's memory; None without one."""

    @property
    def startup(self) -> Startup:
        """How long the engine took to start."""

    @property
    def admitted(self) -> str:
        """On what the last conversation was let in beside others; empty where there are none."""

    def prepare(self, persona: Persona) -> Any:
        """Return it prepared (``AnyPrepared``), for ``open`` and ``AnySession.restart``."""

    def check_text(self, text: str) -> None:
        """Raise ValueError for a text that cannot be said; any thread."""

    def open(self, persona: Any, sampling: Sampling | None = None, seed: int = 0) -> AnySession:
        """Begin a conversation as a prepared persona; raises RuntimeError when there is no slot."""
