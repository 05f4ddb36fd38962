"""Sums the scores of all conversations up, as tables and as JSON."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from personaplex_ros.benchmark.turnbench.folder import Conversation
from personaplex_ros.benchmark.turnbench.giving_way import GivingWay
from personaplex_ros.benchmark.turnbench.predictions import Found, Predictions
from personaplex_ros.benchmark.turnbench.score import BUDGET, Score, score, total
from personaplex_ros.benchmark.turnbench.truth import TASKS
from personaplex_ros.markdown import markdown_table

HEADINGS = {"eot": "End of turn", "interruption": "Interruption"}


@dataclass(frozen=True)
class Report:
    """The result: what of, each detector's score by task, and how each speaker gives way.

    choose: which detectors the table of a task shows.
    """

    about: Mapping[str, Any]
    conversations: Sequence[Conversation]
    scores: Mapping[str, Mapping[str, Score]]
    giving_way: Mapping[str, GivingWay]
    choose: Callable[[Mapping[str, Mapping[str, Score]], str], Sequence[str]]

    def tables(self) -> str:
        """Return the result as Markdown tables."""
        hours = sum(one.duration_s for one in self.conversations) / 3600
        about = ", ".join(f"{key} {value}" for key, value in self.about.items())
        parts = [f"turnbench: {len(self.conversations)} conversations, {hours:.2f} h, {about}"]
        parts += [self._table(task) for task in TASKS]
        parts.append(
            "Latency from the event until the sound was heard that the decision needed: 10th, 50th,"
            f" 90th percentile. A recall counts where false positives are at most {BUDGET}."
        )
        if any(way.interrupted_s for way in self.giving_way.values()):
            parts.append(self._giving_way())
        if not any(one.annotated for one in self.conversations):
            parts.append("The annotations are empty, so that nothing could be scored.")
        unknown = self._unknown()
        if unknown:
            parts.append(f"Labels that the benchmark does not have: {', '.join(unknown)}.")
        return "\n\n".join(parts)

    def data(self) -> dict[str, Any]:
        """Return everything that the JSON file holds; None where nothing was measured."""
        return {
            "suite": "turnbench",
            **self.about,
            "conversations": len(self.conversations),
            "duration_s": sum(one.duration_s for one in self.conversations),
            "scores": {
                name: {task: _record(one) for task, one in tasks.items()}
                for name, tasks in self.scores.items()
            },
            "giving_way": {
                name: {"interrupted_s": way.interrupted_s, "random_s": way.random_s}
                for name, way in self.giving_way.items()
            },
            "unknown_labels": self._unknown(),
        }

    def _table(self, task: str) -> str:
        heading = [HEADINGS[task], "recall", "false positives", "few enough", "latency, s", "n"]
        lines = [heading]
        for name in self.choose(self.scores, task):
            one = self.scores[name][task]
            events, deceptions = _counts(one)
            latency = " / ".join(f"{value:.2f}" for value in one.latency_s())
            lines.append(
                [
                    name,
                    _shown(one.recall),
                    _shown(one.fp_rate),
                    "yes" if one.in_budget else "no",
                    latency if one.latencies_s else "-",
                    f"{events} + {deceptions}",
                ]
            )
        return markdown_table(lines)

    def _giving_way(self) -> str:
        lines = [["silent after", "an interruption", "n", "a random moment", "n"]]
        for name, way in self.giving_way.items():
            cells = [
                cell
                for times in (way.interrupted_s, way.random_s)
                for cell in (_median(times), str(len(times)))
            ]
            lines.append([name, *cells])
        return markdown_table(lines) + "\n\nMedian (9 of 10 within), s; of who spoke then."

    def _unknown(self) -> list[str]:
        return sorted({label for one in self.conversations for label in one.unknown})


def score_all(conversations: Sequence[Conversation], predictions: Predictions) -> dict[str, Score]:
    """Return the score of each task over all conversations and both speakers."""
    return {
        task: total(
            score(getattr(truths, task), getattr(found, task))
            for one in conversations
            for truths, found in zip(one.truths, predictions[one.name], strict=True)
        )
        for task in TASKS
    }


def oracle(conversations: Sequence[Conversation]) -> Predictions:
    """Return the truth as predictions: what is found without any fault or delay."""

    def found(conversation: Conversation, speaker: int) -> Found:
        truths = conversation.truths[speaker]
        inside = (
            {at_s for at_s in truth.events_s if at_s <= conversation.duration_s}
            for truth in (truths.eot, truths.interruption)
        )
        return Found(*(tuple(sorted(times)) for times in inside))

    return {one.name: (found(one, 0), found(one, 1)) for one in conversations}


def _record(one: Score) -> dict[str, Any]:
    events, deceptions = _counts(one)
    latency = [None if math.isnan(value) else value for value in one.latency_s()]
    return {
        "recall": None if math.isnan(one.recall) else one.recall,
        "fp_rate": None if math.isnan(one.fp_rate) else one.fp_rate,
        "in_budget": one.in_budget,
        "latency_p10_p50_p90_s": latency,
        "events": events,
        "negatives": deceptions,
    }


def _counts(one: Score) -> tuple[int, int]:
    """Return of how many events and of how many pauses or backchannels."""
    return len(one.latencies_s) + one.missed, one.false_positives + one.true_negatives


def _shown(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"


def _median(times_s: Sequence[float]) -> str:
    if not times_s:
        return "-"
    middle, late = np.quantile(times_s, (0.5, 0.9))
    return f"{middle:.2f} ({late:.2f})"
