"""Scores one sample after the definitions of its task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from personaplex_ros.audio import read_wave, to_mono
from personaplex_ros.benchmark.backchannel import (
    Segment,
    frequency,
    listening,
    timing_divergence,
)
from personaplex_ros.benchmark.overlap import (
    MODEL_GAP_S,
    USER_GAP_S,
    joined,
    responses,
    stops,
)
from personaplex_ros.benchmark.quirks import Quirks
from personaplex_ros.benchmark.sample import Sample
from personaplex_ros.benchmark.takeover import answer_to, latency, takes_over
from personaplex_ros.benchmark.voice_activity import Listen
from personaplex_ros.benchmark.words import HeardWord, read_words

Human = Mapping[str, Sequence[float]]  # people's distribution of backchannels, by sample


@dataclass(frozen=True)
class Score:
    """What was found in one sample; None where the task does not ask for it.

    ``tor`` is whether the model took the turn, ``latency_s`` how soon, ``frequency`` backchannels
    a second, ``jsd`` how far their timing is from people's, ``stop_s`` and ``response_s`` (start,
    end) of each stop and response of v1.5.
    """

    sample: Sample
    tor: bool | None = None
    latency_s: float | None = None
    frequency: float | None = None
    jsd: float | None = None
    stop_s: tuple[Segment, ...] | None = None
    response_s: tuple[Segment, ...] | None = None
    backchannels_s: tuple[Segment, ...] | None = None
    words: tuple[HeardWord, ...] = ()


@dataclass(frozen=True)
class Judge:
    """What scoring needs besides the samples: a voice activity detector and people's timing."""

    quirks: Quirks
    listen: Listen
    human: Human

    def score(self, sample: Sample) -> Score:
        """Score a sample whose words are known.

        Raises FileNotFoundError where a file is missing that the task needs, and ValueError
        naming the file that is wrong.
        """
        words = read_words(sample.words)
        if sample.task.name == "backchannel":
            return self._listening(sample, words)
        if sample.task.takeover is None:
            stopped, answered = self._overlaps(sample)
            return Score(sample, stop_s=stopped, response_s=answered, words=tuple(words))
        if sample.task.name == "pause_handling":
            return Score(sample, takes_over(words), words=tuple(words))
        return self._turn(sample, words)

    def _turn(self, sample: Sample, words: list[HeardWord]) -> Score:
        assert sample.event is not None
        end_s = sample.event[0]
        if sample.task.name == "user_interruption":
            end_s = sample.event[1]
            words = words if self.quirks.whole_output else answer_to(words, end_s)
        taken = takes_over(words)
        stopped, answered = self._overlaps(sample) if sample.has_overlap else (None, None)
        return Score(
            sample, taken, latency(words, end_s) if taken else None,
            stop_s=stopped, response_s=answered, words=tuple(words),
        )  # fmt: skip

    def _listening(self, sample: Sample, words: list[HeardWord]) -> Score:
        wave = read_wave(sample.output)
        taken, chosen = listening(self.listen(to_mono(wave.samples), wave.rate), words, self.quirks)
        jsd = None
        if sample.name in self.human:
            people = self.human[sample.name]
            jsd = timing_divergence(chosen, wave.duration_s, people, self.quirks)
        return Score(
            sample, taken, frequency=frequency(chosen, wave.duration_s), jsd=jsd,
            backchannels_s=tuple(chosen), words=tuple(words),
        )  # fmt: skip

    def _overlaps(self, sample: Sample) -> tuple[tuple[Segment, ...], tuple[Segment, ...]]:
        user = joined(self._speech(sample.input), USER_GAP_S)
        model = joined(self._speech(sample.output), MODEL_GAP_S)
        return tuple(stops(user, model)), tuple(responses(user, model))

    def _speech(self, path: Path) -> list[Segment]:
        wave = read_wave(path)
        return self.listen(to_mono(wave.samples), wave.rate)
