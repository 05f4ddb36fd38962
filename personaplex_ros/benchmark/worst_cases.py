"""Pictures of the samples in which a model did worst."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from personaplex_ros.audio import read_wave, resample, to_mono
from personaplex_ros.benchmark.score import Score
from personaplex_ros.benchmark.voice_activity import Listen
from personaplex_ros.timeline import Mark, Recording, Word, write_timeline


def worst(scores: Sequence[Score], count: int) -> list[Score]:
    """Return so many samples, the worst first.

    Those whose turn went to the wrong side come first, then those with the longest latency, the
    most different timing, or the longest stop.
    """
    return sorted(scores, key=_badness, reverse=True)[:count]


def draw(scores: Sequence[Score], folder: Path, listen: Listen) -> list[Path]:
    """Write picture and page of each sample into a folder, which is made, numbered in order."""
    folder.mkdir(parents=True, exist_ok=True)
    paths: list[Path] = []
    for number, score in enumerate(scores, start=1):
        stem = f"{number:02d}_{score.sample.task.name}_{score.sample.name}"
        paths += write_timeline(recording(score, listen), folder / stem)
    return paths


def recording(score: Score, listen: Listen) -> Recording:
    """Put a sample together for its picture: both sounds, the words heard, and when it mattered.

    Raises what ``read_wave`` raises.
    """
    said = read_wave(score.sample.output)
    heard = read_wave(score.sample.input)
    agent = to_mono(said.samples)
    user = resample(to_mono(heard.samples), heard.rate, said.rate)
    length = max(len(user), len(agent))
    both = [np.pad(side, (0, length - len(side))) for side in (user, agent)]
    names = zip(("event_begins", "event_ends"), score.sample.event or (), strict=False)
    marks = [Mark(name, at_s, at_s) for name, at_s in names]
    for side, samples in zip(("user", "robot"), both, strict=True):
        for start_s, end_s in listen(samples, said.rate):
            marks += [Mark(f"{side}_started", start_s, start_s)]
            marks += [Mark(f"{side}_stopped", end_s, end_s)]
    words = tuple(Word(word.text, word.start_s, word.end_s) for word in score.words)
    user, agent = (np.clip(side, -1, 1) for side in both)
    return Recording(said.rate, user, agent, words, tuple(marks), _title(score))


def _badness(score: Score) -> tuple[bool, float]:
    wrong = score.tor is not None and score.tor != score.sample.task.takeover
    stopped = [end_s - start_s for start_s, end_s in score.stop_s or ()]
    values = [score.latency_s, score.jsd, *stopped]
    return wrong, max((value for value in values if value is not None), default=-math.inf)


def _title(score: Score) -> str:
    parts = [f"{score.sample.task.name} {score.sample.name}"]
    if score.tor is not None:
        parts.append("takes the turn" if score.tor else "does not take the turn")
    if score.latency_s is not None:
        parts.append(f"latency {score.latency_s:.2f} s")
    if score.jsd is not None:
        parts.append(f"JSD {score.jsd:.2f}")
    return ", ".join(parts)
