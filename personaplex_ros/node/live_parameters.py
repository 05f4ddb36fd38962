"""The node's present parameters: what changes while it runs, and who is told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from personaplex_ros.node.parameters.definition import State, Value
from personaplex_ros.node.parameters.table import Parameters
from personaplex_ros.node.parameters.turn_monitor import hold_parameters, turn_parameters
from personaplex_ros.node.stage import Stage
from personaplex_ros.node.state_topics import StateTopics
from personaplex_ros.node.visits.greeting import check_greeting
from personaplex_ros.turns import HoldParameters, TurnParameters

Observer = Callable[[Mapping[str, Value]], None]


class LiveParameters:
    """Parameters that may be read at any time, and set as far as the stage of the node allows."""

    def __init__(self, parameters: Parameters, stage: Stage, state_topics: StateTopics) -> None:
        self._present = parameters
        self._stage = stage
        self._state_topics = state_topics
        self._lock = threading.Lock()
        self._observers: list[Observer] = []

    @property
    def present(self) -> Parameters:
        """Return the present values."""
        return self._present

    def next_seed(self) -> int:
        """Return the seed for the next conversation."""
        seed = self._present.seed
        return seed if seed >= 0 else time.time_ns() % 2**31

    def set(self, values: Mapping[str, Any]) -> None:
        """Change parameters; raises ParameterError, and then changes none.

        Other turn parameters begin to count in silence: what was being said is not judged anew.
        """
        with self._stage.between_transitions() as state, self._lock:
            before = self._present
            after = before.changed(values, state)
            configured = self._stage.configured
            if configured is not None and after.greeting != before.greeting:
                check_greeting(configured.model.engine, after.greeting)
            turns = _turn_settings(after)
            turns_changed = turns != _turn_settings(before)
            self._present = after
            self._state_topics.hold_timeout_s = after.hold_timeout_s
            running = self._stage.running
        if turns_changed and running is not None:
            running.thread.change_turns(*turns)

    @contextmanager
    def taken_to_configure(self) -> Iterator[Parameters]:
        """Yield the values to configure the node with; it counts as being configured meanwhile."""
        with self._lock:
            self._stage.configuring = True
            parameters = self._present
        try:
            yield parameters
        finally:
            self._stage.configuring = False

    def follow(self, observer: Observer) -> None:
        """Call ``observer`` with what the node changes of its parameters by itself."""
        self._observers.append(observer)

    def note(self, values: Mapping[str, Value]) -> None:
        """Keep what the node has changed by itself, whatever its state; ``tell`` it afterwards."""
        with self._lock:
            self._present = self._present.changed(values, State.UNCONFIGURED)

    def tell(self, values: Mapping[str, Value]) -> None:
        """Tell the observers; not under the stage's lock, as they may ask for anything."""
        for observer in self._observers:
            observer(values)


def _turn_settings(parameters: Parameters) -> tuple[TurnParameters, HoldParameters]:
    return turn_parameters(parameters), hold_parameters(parameters)
