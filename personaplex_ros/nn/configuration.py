"""Reading values from a JSON configuration; errors name key, value and what is allowed."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

T = TypeVar("T")

_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 100


def read(config: Mapping[str, Any], key: str, default: T, kind: Callable[[Any], T]) -> T:
    """Return the value of a key, or the default where it is absent or null.

    ``kind`` returns the value, or raises ValueError that says what it must be; the ValueError
    raised here names the key, too.
    """
    value = config.get(key)
    if value is None:
        return default
    try:
        return kind(value)
    except ValueError as allowed:
        raise ValueError(f"`{key}` cannot be {shown(value)}; it must be {allowed}") from None


def whole(low: int, high: int) -> Callable[[Any], int]:
    """Take whole numbers within bounds; nothing is rounded, and true is no number."""

    def take(value: Any) -> int:
        if type(value) is not int or not low <= value <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return value

    return take


def number(low: float, high: float) -> Callable[[Any], float]:
    """Take numbers within bounds, so no NaN."""

    def take(value: Any) -> float:
        if type(value) not in (int, float) or not low <= value <= high:
            raise ValueError(f"a number from {low:g} to {high:g}")
        return float(value)

    return take


def wholes(low: int, high: int) -> Callable[[Any], tuple[int, ...]]:
    """Take lists of whole numbers within bounds."""
    one = whole(low, high)

    def take(values: Any) -> tuple[int, ...]:
        try:
            return tuple(one(value) for value in (values if isinstance(values, list) else [None]))
        except ValueError as allowed:
            raise ValueError(f"a list, of which each is {allowed}") from None

    return take


def text(value: Any) -> str:
    """Take text that is not empty."""
    if not isinstance(value, str) or not value:
        raise ValueError("text that is not empty")
    return value


def refuse(rules: Mapping[str, tuple[Any, bool, str]]) -> None:
    """Raise ValueError for every key whose rule does not hold; a rule is (value, holds, must)."""
    broken = [
        f"`{key}` cannot be {shown(value)}; it must be {must}"
        for key, (value, holds, must) in rules.items()
        if not holds
    ]
    if broken:
        raise ValueError(". ".join(broken))


def shown(value: Any) -> str:
    """Write a value that somebody gave, however long it is, in a few words."""
    return _SHORT.repr(value)
