"""The node's parameters: one table with types, defaults, ranges and the moment each may change.

Both hosts, the parameter file and its test take everything from the fields of `Parameters`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from personaplex_ros.node.parameters.definition import (
    Parameter,
    ParameterError,
    State,
    Value,
    When,
    known,
    parameters_of,
)
from personaplex_ros.node.parameters.model import ModelParameters
from personaplex_ros.node.parameters.recording import RecordingParameters
from personaplex_ros.node.parameters.robot import RobotParameters
from personaplex_ros.node.parameters.sound import SoundParameters
from personaplex_ros.node.parameters.tether import TetherParameters
from personaplex_ros.node.parameters.turns import TurnTakingParameters
from personaplex_ros.node.parameters.visits import VisitParameters


@dataclass(frozen=True)
class Parameters(
    RecordingParameters,
    RobotParameters,
    VisitParameters,
    TurnTakingParameters,
    SoundParameters,
    TetherParameters,
    ModelParameters,
):
    """A checked set of values; changes give a new set, so that threads share it without a lock.

    Fields come in the order of the bases from right to left, which is that of the parameter file.
    """

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Parameters:
        """Return the defaults with `values`; raises ParameterError that lists every problem."""
        return cls()._with(values)

    def changed(self, values: Mapping[str, Any], state: State) -> Parameters:
        """Return a copy with `values`, for a node in `state`.

        Raises ParameterError listing every unknown name, unusable value and value that may not
        change now; a value that stays the same is always accepted.
        """
        result = self._with(values)
        late = [
            f"{p.name} can only be {p.when.value}; {_REMEDY[p.when]}"
            for p in PARAMETERS
            if not p.when.allowed(state) and result.value(p) != self.value(p)
        ]
        if late:
            raise ParameterError("; ".join(late))
        return result

    def as_dict(self) -> dict[str, Value]:
        """Return all values by name."""
        return {parameter.name: self.value(parameter) for parameter in PARAMETERS}

    def value(self, parameter: Parameter) -> Value:
        """Return the value of a parameter of the table."""
        value: Value = getattr(self, parameter.attribute)
        return value

    def _with(self, values: Mapping[str, Any]) -> Parameters:
        checked: dict[str, Any] = {}
        problems: list[str] = []
        for name, value in values.items():
            try:
                parameter = lookup(name)
                checked[parameter.attribute] = parameter.check(value)
            except ParameterError as error:
                problems.append(str(error))
        if problems:
            raise ParameterError("; ".join(problems))
        return replace(self, **checked)


_REMEDY = {
    When.STARTUP: "put it into the parameter file and start the node again",
    When.UNCONFIGURED: "deactivate and clean up the node first",
    When.INACTIVE: "deactivate the node first",
}

PARAMETERS = parameters_of(Parameters)
_BY_NAME = {p.name: p for p in PARAMETERS}


def lookup(name: str) -> Parameter:
    """Return the table's entry for `name`; raises ParameterError with the nearest names."""
    return known(name, _BY_NAME)
