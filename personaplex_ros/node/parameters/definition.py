"""What a node parameter is: its type, range, description, and when it may change."""

from __future__ import annotations

import difflib
import enum
import keyword
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

Value = bool | int | float | str

OFF = "off"
"""What a parameter that is a text says where there is to be nothing."""


class State(enum.IntEnum):
    """How far the node's life has come, as far as parameters are concerned."""

    UNCONFIGURED = 1
    INACTIVE = 2
    ACTIVE = 3


class When(enum.Enum):
    """The last moment at which a parameter may be set; its text goes into the description."""

    STARTUP = "set when the node starts"
    UNCONFIGURED = "set before configure"
    INACTIVE = "set while inactive"
    ANY = "set at any time"

    def allowed(self, state: State) -> bool:
        """Tell whether a parameter of this kind may change in `state`."""
        latest = {When.UNCONFIGURED: State.UNCONFIGURED, When.INACTIVE: State.INACTIVE}
        return self is When.ANY or (self in latest and state <= latest[self])


class ParameterError(ValueError):
    """One or more parameter values that cannot be used; the text names each and its remedy."""


@dataclass(frozen=True)
class Parameter:
    """What is known about one parameter besides its value."""

    name: str
    default: Value
    description: str
    when: When
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    pattern: str = ""
    form: str = ""

    @property
    def attribute(self) -> str:
        """Return its name in Python, where a word like `yield` is followed by an underscore."""
        return f"{self.name}_" if keyword.iskeyword(self.name) else self.name

    @property
    def type(self) -> type:
        """Return bool, int, float or str."""
        return type(self.default)

    @property
    def constraints(self) -> str:
        """Return unit, range and the moment of change as one phrase for descriptions."""
        parts = [self.unit] if self.unit else []
        if self.minimum is not None:
            parts.append(f"{self.minimum:.10g} to {self.maximum:.10g}")
        if self.choices:
            parts.append("one of " + ", ".join(self.choices))
        if self.form:
            parts.append(self.form)
        return "; ".join([*parts, self.when.value])

    def _has_type_of(self, value: Any) -> bool:
        return type(value) is self.type  # a bool is an int to isinstance

    def _remedy(self, value: Any) -> str:
        if self.type is str and isinstance(value, bool | int | float):
            return ": write it in quotes"
        if self.type is int and isinstance(value, float) and value.is_integer():
            return f": write {value:.0f}"
        return ""

    def meant(self, value: Any) -> Any:
        """Return what is meant by a value that YAML takes for another type, else the value."""
        if self.type is float and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        if value is False and OFF in (*self.choices, self.default):  # YAML reads off as false
            return OFF
        return value

    def check(self, value: Any) -> Value:
        """Return `value` as this parameter's type; raises ParameterError naming the remedy."""
        value = self.meant(value)
        if not self._has_type_of(value):
            raise ParameterError(
                f"{self.name} is {value!r} of type {type(value).__name__}; "
                f"it must be {self.type.__name__}{self._remedy(value)}"
            )
        if self.minimum is not None and self.maximum is not None:
            if not math.isfinite(value) or not self.minimum <= value <= self.maximum:
                raise ParameterError(
                    f"{self.name} is {value}; it must be "
                    f"from {self.minimum:.10g} to {self.maximum:.10g} {self.unit}".rstrip()
                )
        if self.choices and value not in self.choices:
            raise ParameterError(
                f"{self.name} is {value!r}; choose one of {', '.join(self.choices)}"
            )
        if self.pattern and not re.fullmatch(self.pattern, value):
            raise ParameterError(f"{self.name} is {value!r}; it must be {self.form}")
        return value


def parameter(default: Value, description: str, when: When, **constraints: Any) -> Any:
    """Return a dataclass field that is a parameter; `constraints` are fields of `Parameter`."""
    return field(
        default=default,
        metadata={"parameter": {"description": description, "when": when, **constraints}},
    )


def parameters_of(kind: type) -> tuple[Parameter, ...]:
    """Return what a dataclass of such fields knows of its parameters, in order."""
    return tuple(
        Parameter(
            name=f.name.removesuffix("_"),
            default=getattr(kind, f.name),
            **f.metadata["parameter"],
        )
        for f in fields(kind)
    )


def known(name: str, table: Mapping[str, Parameter]) -> Parameter:
    """Return the entry of that name; raises ParameterError with the nearest names."""
    try:
        return table[name]
    except KeyError:
        near = difflib.get_close_matches(name, table, n=3)
        names = "see config/personaplex.yaml" if len(table) > 9 else f"there are {', '.join(table)}"
        hint = f"did you mean {' or '.join(near)}?" if near else names
        raise ParameterError(f"there is no parameter {name}; {hint}") from None
