"""What was right in each quarter of conversations, as a table in Markdown."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
from long_conversation_callers import FRAME_S

from personaplex_ros.estimate import share
from personaplex_ros.training.world import PERSONA_INTENTS

QUARTERS = 4
TAKEOVER_S = 3.0


def table(conversations: list[dict[str, Any]]) -> str:
    """Return what was right in each quarter, by mode."""
    lines = []
    by_mode: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for one in conversations:
        by_mode[one["mode"]].append(one)
    for mode, some in by_mode.items():
        minutes = some[0]["minutes"]
        lines += [
            f"{mode}: {len(some)} conversations of {minutes:g} minutes", "",
            "| | first quarter | second | third | last |", "|---|---|---|---|---|",
        ]  # fmt: skip
        for name, kept in MEASURES.items():
            outcomes: list[list[bool]] = [[] for _ in range(QUARTERS)]
            for talk in some:
                for one in talk["asked"]:
                    quarter = int(one["end"] * FRAME_S / 60 / minutes * QUARTERS)
                    value = kept(one)
                    if value is not None:
                        outcomes[min(quarter, QUARTERS - 1)].append(value)
            cells = [
                f"{100 * e.value:.1f} % ({100 * e.low:.1f} to {100 * e.high:.1f}, n {e.n})"
                for e in map(share, outcomes)
            ]
            lines.append(f"| {name} | {' | '.join(cells)} |")
        floor = np.mean(np.array([one["floor"] for one in some], np.float64), axis=0)
        lines.append("| the robot's share of the time | "
                     + " | ".join(f"{100 * part:.1f} %" for part in floor) + " |")  # fmt: skip
        lines.append("")
    return "\n".join(lines)


def about_persona(one: dict[str, Any]) -> bool | None:
    return one["right"] if one["intent"] in PERSONA_INTENTS else None


def taken(one: dict[str, Any]) -> bool | None:
    if one["kind"] != "question":
        return None
    return one["taken"] is not None and one["taken"] * FRAME_S <= TAKEOVER_S


MEASURES = {
    "right answer": lambda one: one["right"],
    "persona's facts": about_persona,
    "takes the turn": taken,
    "falls silent when interrupted": lambda one: one["silenced"],
}
