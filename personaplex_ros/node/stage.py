"""How far the life cycle of a conversation has come, and what there is to work with by then."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from personaplex_ros.node.configured import Configured
from personaplex_ros.node.loaded import LoadedModel, RunningConversation
from personaplex_ros.node.model_thread import ModelThread
from personaplex_ros.node.parameters.definition import State


class Stage:
    """Changed by transitions alone, which hold `lock`; one may take as long as loading a model.

    `configured` is what there is from configuring on, `running` what there is while active, `stuck`
    a thread that did not end at a pause. `configuring` tells that loading is under way.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.state = State.UNCONFIGURED
        self.configuring = False
        self.configured: Configured | None = None
        self.running: RunningConversation | None = None
        self.stuck: ModelThread | None = None

    def loaded(self) -> tuple[LoadedModel, RunningConversation | None]:
        """Return the model and what runs it; raises RuntimeError before it is loaded."""
        if self.configured is None:
            raise RuntimeError("the node is not configured")
        return self.configured.model, self.running

    @contextmanager
    def between_transitions(self) -> Iterator[State]:
        """Wait for a transition that is under way, if it is short; yield the state.

        A node that is being configured counts as inactive: what it is made with is taken already.
        """
        if self.configuring:
            yield State.INACTIVE
        else:
            with self.lock:
                yield self.state

    def expect(self, state: State, what: str) -> None:
        """Raise RuntimeError for something that cannot be done in the present state."""
        if self.state is not state:
            raise RuntimeError(
                f"cannot {what} while {self.state.name.lower()}; it must be {state.name.lower()}"
            )

    def expect_not_configuring(self) -> None:
        """Raise RuntimeError while the model is loaded: nobody is to wait that long."""
        if self.configuring:
            raise RuntimeError("the node is being configured; ask again when that is done")

    def expect_no_stuck_model(self) -> None:
        """Raise RuntimeError while a thread from before a pause still uses the model."""
        if self.stuck is not None and self.stuck.alive:
            raise RuntimeError(
                "the model is still busy with the last frame before the pause; "
                "wait, or end the process"
            )
