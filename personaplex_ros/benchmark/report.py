"""Sums the scores of all samples up: with intervals, beside the model card, as table and JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from personaplex_ros.benchmark.quirks import Quirks
from personaplex_ros.benchmark.score import Score
from personaplex_ros.benchmark.tasks import Task
from personaplex_ros.estimate import Estimate, bootstrap, mean, share
from personaplex_ros.markdown import markdown_table

# What PersonaPlex-7B-v1 reaches after its model card, by data set.
MODEL_CARD: Mapping[str, Mapping[str, Mapping[str, float]]] = {
    "smooth_turn_taking": {"tor": {"Candor": 0.908}, "latency_s": {"Candor": 0.170}},
    "user_interruption": {"tor": {"synthetic": 0.950}, "latency_s": {"synthetic": 0.240}},
    "pause_handling": {"tor": {"synthetic": 0.358, "Candor": 0.431}},
    "backchannel": {
        "tor": {"ICC": 0.273}, "frequency": {"ICC": 0.042}, "jsd": {"ICC": 0.662},
    },
}  # fmt: skip

MEASURES = {
    "tor": "takes the turn (TOR)",
    "latency_s": "latency, s",
    "frequency": "backchannels a second",
    "jsd": "their timing against people's (JSD)",
    "stop_latency_s": "stop latency, s",
    "response_latency_s": "response latency, s",
}


@dataclass(frozen=True)
class Report:
    """The result of a task: what of, by which quirks, and every sample's score."""

    task: Task
    about: Mapping[str, Any]
    quirks: Quirks
    scores: Sequence[Score]

    def estimates(self) -> dict[str, Estimate]:
        """Return what the task asks for, by its key in the JSON."""
        found = {
            "tor": share([score.tor for score in self.scores if score.tor is not None]),
            "latency_s": self._mean(lambda score: [score.latency_s]),
            "frequency": self._mean(lambda score: [score.frequency]),
            "jsd": self._mean(lambda score: [score.jsd]),
            "stop_latency_s": self._mean(lambda score: _lengths(score.stop_s)),
            "response_latency_s": self._mean(lambda score: _lengths(score.response_s)),
        }
        asked = set(MODEL_CARD.get(self.task.name, {}))
        return {key: one for key, one in found.items() if one.n or key in asked}

    def table(self) -> str:
        """Return the result as a Markdown table."""
        lines = [["measure", "better", "measured", "95 % interval", "n", "model card"]]
        for key, one in self.estimates().items():
            card = MODEL_CARD.get(self.task.name, {}).get(key, {})
            beside = ", ".join(f"{value:.3f} ({name})" for name, value in card.items()) or "-"
            measured = [f"{one.value:.3f}", f"{one.low:.3f} to {one.high:.3f}"]
            cells = measured if one.n else ["-", "-"]
            lines.append([MEASURES[key], self._better(key), *cells, str(one.n), beside])
        about = ", ".join(f"{key} {value}" for key, value in self.about.items())
        names = ", ".join(self.quirks.names()) or "none"
        heading = f"{self.task.name}: {len(self.scores)} samples, {about}, quirks: {names}"
        notes = ["", "Intervals: Wilson for TOR, percentile bootstrap for the rest."]
        if "jsd" in MODEL_CARD.get(self.task.name, {}) and not self.quirks.jsd_distance:
            notes.append("The card's JSD is a distance: compare it by --quirk jsd_distance.")
        return "\n".join([heading, "", markdown_table(lines), *notes])

    def data(self) -> dict[str, Any]:
        """Return everything that the JSON file holds; None where nothing was measured."""
        found = self.estimates()
        return {
            "task": self.task.name,
            "samples": len(self.scores),
            **self.about,
            "quirks": self.quirks.names(),
            **{key: one.value if one.n else None for key, one in found.items()},
            "intervals": {
                key: [one.low, one.high] if one.n else None for key, one in found.items()
            },
            "counted": {key: one.n for key, one in found.items()},
            "model_card": MODEL_CARD.get(self.task.name, {}),
            "per_sample": [_record(score) for score in self.scores],
        }

    def _mean(self, values: Callable[[Score], Sequence[float | None]]) -> Estimate:
        """Return the mean of what the samples have, with whole observations drawn again."""
        some = [one for score in self.scores for one in values(score) if one is not None]
        return bootstrap(some, mean)

    def _better(self, key: str) -> str:
        """Return what a good model has of it; nothing where it may hold the floor or yield it."""
        if key == "frequency" or (key == "tor" and self.task.takeover):
            return "higher"
        return "lower" if self.task.takeover is not None else "-"


def _lengths(segments: Sequence[tuple[float, float]] | None) -> list[float]:
    return [end_s - start_s for start_s, end_s in segments or ()]


def _record(score: Score) -> dict[str, Any]:
    """Return a sample's entry; what its task does not ask for is left out."""
    entry: dict[str, Any] = {"sample": score.sample.name}
    for field in fields(score):
        value = getattr(score, field.name)
        if field.name not in ("sample", "words") and value is not None:
            entry[field.name] = value
    if score.sample.event is not None:
        entry["event_s"] = list(score.sample.event)
    return {**entry, "words": [asdict(word) for word in score.words]}
