"""A greeting: a sentence that no client sent, and that gives way to whoever speaks."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from personaplex_ros.conversing import AnyEngine
from personaplex_ros.node.hosts.bus import Outcome
from personaplex_ros.node.parameters.definition import ParameterError

Ended = Callable[[Outcome, str, str], None]
"""Told how it ended, why, and what was said of it."""


def check_greeting(engine: AnyEngine, greeting: str) -> None:
    """Raise ParameterError for a greeting that the model cannot say; an empty one is none."""
    if greeting:
        try:
            engine.check_text(greeting)
        except ValueError as error:
            raise ParameterError(
                f"greeting is {greeting!r}, which cannot be said: {error}"
            ) from error


class Greeting:
    """A goal of ~/say (see `hosts.bus.Goal`) that is cancelled when a person speaks."""

    def __init__(self, text: str, interrupted: Callable[[], bool], ended: Ended) -> None:
        self.request: Any = SimpleNamespace(text=text)
        self._interrupted = interrupted
        self._ended = ended

    @property
    def cancel_requested(self) -> bool:
        """Whether a person speaks."""
        return self._interrupted()

    def feedback(self, message: Any) -> None:
        """Tell nobody: nobody asked."""

    def end(self, outcome: Outcome, result: Any) -> None:
        """Pass on how it ended."""
        self._ended(outcome, result.message, result.spoken)
