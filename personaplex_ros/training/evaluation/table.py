"""The result of an evaluation: goals, what was measured, and the conversations it comes from."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from personaplex_ros.estimate import Estimate
from personaplex_ros.markdown import markdown_table

UNITS = {"%": 100.0, "points": 100.0, "s": 1.0, "ms": 1000.0, "": 1.0}  # what 1 is shown as
DIGITS = {"%": 1, "points": 1, "s": 2, "ms": 1, "": 3}


@dataclass(frozen=True)
class Row:
    """Something measured; ``goal`` is a lower bound if ``at_least``, else an upper one, or None."""

    what: str
    unit: str  # a key of UNITS; the numbers are shares or seconds
    estimate: Estimate
    goal: float | None = None
    at_least: bool = True

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None without a goal or an observation."""
        value = self.estimate.value
        if self.goal is None or math.isnan(value):
            return None
        return value >= self.goal if self.at_least else value <= self.goal

    def cells(self) -> list[str]:
        """Return the row of the table."""
        one = self.estimate
        bound = "" if self.goal is None else f"{'>=' if self.at_least else '<='} "
        goal = "-" if self.goal is None else f"{bound}{self._show(self.goal)}"
        interval = f"{self._number(one.low)} to {self._number(one.high)}"
        met = {True: "yes", False: "no", None: "-"}[self.met]
        if one.n == 0:
            return [self.what, goal, "-", "-", "0", met]
        return [self.what, goal, self._show(one.value), interval, str(one.n), met]

    def _number(self, value: float) -> str:
        return f"{value * UNITS[self.unit]:.{DIGITS[self.unit]}f}"

    def _show(self, value: float) -> str:
        return f"{self._number(value)} {self.unit}".strip()


@dataclass(frozen=True)
class Report:
    """An evaluation: what of (checkpoint, seed, ...), its rows and its conversations."""

    about: Mapping[str, Any]
    rows: Sequence[Row]
    dialogues: Sequence[Mapping[str, Any]]

    def table(self) -> str:
        """Return the rows as a Markdown table."""
        head = ["what", "goal", "measured", "95 % interval", "n", "met"]
        lines = [head, *(row.cells() for row in self.rows)]
        about = ", ".join(f"{key} {value}" for key, value in self.about.items())
        note = "Intervals: Wilson for shares of yes and no, percentile bootstrap for the rest."
        return "\n".join([about, "", markdown_table(lines), "", note])

    def json(self) -> str:
        """Return everything as JSON; shares as numbers up to 1, times in seconds."""
        rows = [
            {
                "what": row.what, "unit": row.unit, "goal": row.goal, "at_least": row.at_least,
                "met": row.met, **_finite(asdict(row.estimate)),
            }
            for row in self.rows
        ]  # fmt: skip
        content = {"about": self.about, "rows": rows, "dialogues": self.dialogues}
        return json.dumps(content, indent=1, allow_nan=False)


def _finite(values: Mapping[str, float]) -> dict[str, float | None]:
    return {key: value if math.isfinite(value) else None for key, value in values.items()}
