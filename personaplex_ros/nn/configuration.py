"""Reading values from a JSON configuration, with errors that name the key."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

T = TypeVar("T")


def read(config: Mapping[str, Any], key: str, default: T, kind: Callable[[Any], T]) -> T:
    """Return the value of a key, or the default where it is absent or null.

    Raises ValueError naming the key when the value cannot be a ``kind``.
    """
    value = config.get(key)
    if value is None:
        return default
    try:
        return kind(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"`{key}` cannot be {value!r} ({error})") from error


def integers(values: Any) -> tuple[int, ...]:
    """Read a list of whole numbers; nothing is rounded. Raises TypeError for anything else."""
    return tuple(operator.index(value) for value in values)


def refuse(config: Mapping[str, Any], rules: Mapping[str, bool]) -> None:
    """Raise ValueError naming every key whose rule does not hold."""
    broken = [f"`{key}` cannot be {config.get(key)!r}" for key, holds in rules.items() if not holds]
    if broken:
        raise ValueError(", ".join(broken))
