"""Runs a model over the recordings of a benchmark, several at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from personaplex_ros.audio import read_wave, resample, to_mono, write_wave
from personaplex_ros.benchmark.sample import Sample
from personaplex_ros.engine import Engine, Persona, Sampling, Session

Progress = Callable[[int, int], None]  # how many samples are done, of how many


@dataclass(frozen=True)
class Model:
    """What is measured; every sample is a conversation of its own, begun with the same seed."""

    engine: Engine
    persona: Persona
    sampling: Sampling
    seed: int
    slots: int  # conversations at a time, as many as the engine has


@dataclass
class _Run:
    """A sample that is being answered."""

    sample: Sample
    user: NDArray[np.float32]  # [n] at the engine's rate
    answer: list[NDArray[np.float32]] = field(default_factory=list)

    def frame(self, size: int) -> NDArray[np.float32]:
        """Return the next frame of the input, the last one filled up with zeros."""
        start = len(self.answer) * size
        part = self.user[start : start + size]
        return np.pad(part, (0, size - len(part)))

    def done(self, size: int) -> bool:
        return len(self.answer) * size >= len(self.user)


def run_model(model: Model, samples: Sequence[Sample], progress: Progress) -> None:
    """Write ``output.wav`` of each sample, as long as its ``input.wav``, mono at the engine's rate.

    What the model answers to a frame stands where that frame stands in the input, as in the
    published outputs; on a robot it is heard a frame later. Words heard in an older output are
    removed. Files appear when they are complete, so a run that was stopped can go on.
    Raises FileNotFoundError or ValueError naming the file.
    """
    engine, size = model.engine, model.engine.frame_size
    prepared = engine.prepare(model.persona)
    waiting, runs = list(samples), dict[Session, _Run]()
    while waiting or runs:
        while waiting and len(runs) < model.slots:
            run = _Run(waiting[0], _heard(waiting.pop(0), engine.sample_rate))
            runs[engine.open(prepared, model.sampling, model.seed)] = run
        results = engine.step({session: run.frame(size) for session, run in runs.items()})
        for session, result in results.items():
            run = runs[session]
            run.answer.append(result.audio)
            if run.done(size):
                session.close()
                _save(runs.pop(session), engine.sample_rate)
                progress(len(samples) - len(waiting) - len(runs), len(samples))


def unanswered(samples: Sequence[Sample]) -> list[Sample]:
    """Return the samples without an output.

    Raises ValueError for an output that is not as long as its input: it belongs to another one.
    """
    missing = []
    for sample in samples:
        if not sample.output.is_file():
            missing.append(sample)
            continue
        heard_s, said_s = (read_wave(path).duration_s for path in (sample.input, sample.output))
        if abs(heard_s - said_s) > 0.001:
            raise ValueError(
                f"{sample.output} lasts {said_s:.2f} s and its input {heard_s:.2f} s: give "
                "--overwrite to make it anew, or --score-only to score it as it is"
            )
    return missing


def _heard(sample: Sample, rate: int) -> NDArray[np.float32]:
    wave = read_wave(sample.input)
    # The filter of the resampler may overshoot full scale.
    return np.clip(resample(to_mono(wave.samples), wave.rate, rate), -1.0, 1.0)


def _save(run: _Run, rate: int) -> None:
    run.sample.words.unlink(missing_ok=True)
    write_wave(run.sample.output, np.concatenate(run.answer)[: len(run.user)], rate)
