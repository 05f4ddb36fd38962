"""The one model with which all robots of a process talk."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from personaplex_ros.conversing import AnyEngine
from personaplex_ros.node.parameters.table import Parameters

if TYPE_CHECKING:
    from personaplex_ros.engine import SharedEngine

MODEL_PARAMETERS = (
    "checkpoint", "device", "dtype", "weights", "long_conversation", "user_transcript",
    "admission_share",
)  # fmt: skip


class SharedModel:
    """Loads an engine for the first robot that is configured, and gives it to the others, too.

    It stays loaded: a robot that is cleaned up gives its slot back, and nobody is disturbed.
    """

    def __init__(self, load: Callable[[Parameters], Any]) -> None:
        self._load = load
        self._lock = threading.Lock()
        self._engine: SharedEngine | None = None
        self._settings: dict[str, object] = {}

    def load(self, parameters: Parameters) -> AnyEngine:
        """Return the engine; raises ValueError if others talk with a different model.

        Of a model that runs elsewhere nothing is shared: every robot has a connection of its own.
        """
        if parameters.engine:
            return self._load(parameters)
        from personaplex_ros.engine import SharedEngine  # torch, which not every robot has

        settings = {name: getattr(parameters, name) for name in MODEL_PARAMETERS}
        with self._lock:
            if self._engine is not None and settings != self._settings:
                self._expect_unused(settings)
                self._engine.close()
                self._engine = None
            if self._engine is None:
                self._engine = SharedEngine(self._load(parameters), parameters.admission_share)
                self._settings = settings
            return self._engine

    def release(self) -> None:
        """Free nothing when one conversation ends, since others go on."""

    def close(self) -> None:
        """End the engine's thread."""
        with self._lock:
            if self._engine is not None:
                self._engine.close()
                self._engine = None

    def _expect_unused(self, settings: dict[str, object]) -> None:
        assert self._engine is not None
        if self._engine.sessions == 0:
            return
        differing = ", ".join(
            f"{name} is {value!r} here and {self._settings[name]!r} there"
            for name, value in settings.items()
            if value != self._settings[name]
        )
        raise ValueError(
            f"the robots of a process share one model, but {differing}; set the same for all "
            "(under /** in the parameter file), or run another process"
        )
