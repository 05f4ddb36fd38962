"""How much counters have grown since somebody last looked."""

from __future__ import annotations


class Growth:
    """How much counters grew since they were last asked for; a fall means they began anew."""

    def __init__(self) -> None:
        self._before: dict[str, int] = {}

    def of(self, name: str, value: int) -> int:
        """Return the growth of the counter `name`, which is at `value` now."""
        before = self._before.get(name, 0)
        self._before[name] = value
        return value - before if value >= before else value
