"""The whole examination and its table."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import binomtest, bootstrap

from personaplex_ros.engine import Engine, Persona, Sampling
from personaplex_ros.training.chance import pick
from personaplex_ros.training.corpus import voice_sample
from personaplex_ros.training.exam.caller import FRAME, Caller, random_plans, sounds
from personaplex_ros.training.exam.converse import hold
from personaplex_ros.training.exam.judge import Counts, Dialogue, judge
from personaplex_ros.training.exam.recogniser import Recogniser, word_errors
from personaplex_ros.training.exam.speaker import SpeakerCheck
from personaplex_ros.training.speakers import AGENTS, HELD_OUT, random_caller
from personaplex_ros.training.speech import RATE, Voice, speak
from personaplex_ros.training.speech_bank import at_level
from personaplex_ros.training.world import PERSONA_INTENTS, World, load_world, plain

SILENCE_S = 60.0
SILENCES = 16  # a minute each, noise of several colours and levels
REFERENCES = 8  # sentences by which the speaker check knows a voice
MARGIN_S = 0.2  # of silence kept around an answer that is recognised


@dataclass(frozen=True)
class Row:
    """One line of the table; ``interval`` is a 95 % confidence interval."""

    what: str
    goal: str
    value: float
    interval: tuple[float, float]
    count: int
    unit: str = "%"
    holds: bool = True

    def text(self) -> str:
        """Return the row as a table's line."""
        scale, form = (100, "{:.1f} %") if self.unit == "%" else (1, "{:.3g} " + self.unit)
        value, low, high = (form.format(scale * x) for x in (self.value, *self.interval))
        mark = "yes" if self.holds else "NO"
        return f"| {self.what} | {self.goal} | {value} | {low} to {high} | {self.count} | {mark} |"


@dataclass
class Examination:
    """Results: the table's rows, and what was said in every dialogue."""

    rows: list[Row] = field(default_factory=list)
    dialogues: list[dict[str, object]] = field(default_factory=list)

    def table(self) -> str:
        """Return a Markdown table."""
        head = "| what | goal | measured | 95 % interval | n | reached |\n|---|---|---|---|---|---|"
        return "\n".join([head, *(row.text() for row in self.rows)])

    def json(self) -> str:
        """Return everything as JSON."""
        rows = [{**row.__dict__, "interval": list(row.interval)} for row in self.rows]
        return json.dumps({"rows": rows, "dialogues": self.dialogues}, indent=1)


def examine(
    checkpoint: str | Path,
    dialogues: int,
    slots: int = 8,
    sampling: Sampling | None = None,
    seed: int = 0,
    progress: Callable[[str], None] = print,
) -> Examination:
    """Examine a checkpoint with callers, wordings and personas that it was not trained on."""
    world, result, sampling = load_world(), Examination(), sampling or Sampling()
    engine = Engine.load(checkpoint, slots=slots, threads=2)
    counts = Counts()
    spoken: list[tuple[str, str, NDArray[np.float32]]] = []

    def finished(dialogue: Dialogue) -> None:
        one = judge(world, dialogue)
        for name, values in one.__dict__.items():
            if name != "answers":
                getattr(counts, name).extend(values)
        spoken.extend(
            (dialogue.voice, text, dialogue.robot[_sample(a) : _sample(b)])
            for text, a, b in one.answers
        )
        result.dialogues.append(
            {"prompt": dialogue.prompt, "voice": dialogue.voice, "turns": one.notes}
        )
        if len(result.dialogues) % 20 == 0:
            progress(f"{len(result.dialogues)} dialogues, right {np.mean(counts.right):.1%}")

    hold(engine, _callers(world, dialogues, seed), slots, sampling, finished)
    silences: list[Dialogue] = []
    hold(engine, _silences(world, seed), slots, sampling, silences.append)
    noise = np.concatenate([sounds(d.robot[: _sample(SILENCE_S)]) for d in silences])
    result.rows = [
        _share("right answer, in the text", 0.92, counts.right),
        _speech_row(world, spoken),
        _resynthesis_row(world, engine),
        _share("takeover after the caller's end", 0.95, counts.takeover),
        _latency_row(counts.latency_s),
        _share("takeover inside a pause of 0.4 to 1.0 s", 0.08, counts.pause_takeover, most=True),
        _share("interrupted: silent within 0.6 s", 0.92, counts.yielded),
        _share("interrupted: answers the new question", 0.85, counts.new_answer),
        _share("caller's backchannel: goes on", 0.92, counts.went_on),
        _silence_row(noise, len(silences)),
        _share("persona's facts, unseen combinations", 0.90, counts.persona),
        _voice_row(spoken),
        _pace_row(checkpoint),
    ]
    return result


def _callers(world: World, count: int, seed: int) -> Iterator[tuple[Caller, Persona, int]]:
    for number in range(count):
        rng = np.random.default_rng((seed, number))
        facts = world.random_facts(rng, unseen=True)
        persona = Persona("exam", world.prompt(facts, rng), pick(list(AGENTS), rng))
        plans = random_plans(world, rng, partial(_intent, world, rng))
        yield Caller(world, facts, random_caller(rng, held_out=True), plans, rng), persona, number


def _intent(world: World, rng: np.random.Generator) -> str:
    """Draw an intent, persona questions as often as in training."""
    if rng.random() < 0.33:
        return pick(PERSONA_INTENTS, rng)
    return pick([name for name in world.intents if name not in ("repeat", "goodbye")], rng)


def _silences(world: World, seed: int) -> Iterator[tuple[Caller, Persona, int]]:
    for number in range(SILENCES):
        rng = np.random.default_rng((seed, 1 << 20, number))
        facts = world.random_facts(rng)
        persona = Persona("silence", world.prompt(facts, rng), list(AGENTS)[number % len(AGENTS)])
        yield _Nobody(world, facts, random_caller(rng), [], rng), persona, number


class _Nobody(Caller):
    """Nobody: a minute of a room's noise."""

    @property
    def done(self) -> bool:
        """Whether the minute is over."""
        return self.now >= SILENCE_S * RATE


def _share(what: str, goal: float, outcomes: Sequence[bool], most: bool = False) -> Row:
    """Return a share with Wilson's interval."""
    hits, count = int(np.sum(outcomes)), max(1, len(outcomes))
    low, high = binomtest(hits, count).proportion_ci(method="wilson")
    share = hits / count
    sign = "<=" if most else ">="
    holds = share <= goal if most else share >= goal
    return Row(what, f"{sign} {goal:.0%}", share, (low, high), len(outcomes), holds=holds)


def _latency_row(latency_s: Sequence[float]) -> Row:
    data = np.array(latency_s if len(latency_s) > 1 else [np.inf, np.inf])
    interval = bootstrap((data,), np.median, n_resamples=2000, rng=0).confidence_interval
    median = float(np.median(data))
    return Row("latency of the first sound, median", "<= 0.40 s", median,
               (interval.low, interval.high), len(latency_s), "s", median <= 0.40)  # fmt: skip


def _silence_row(loud: NDArray[np.bool_], runs: int) -> Row:
    minutes = loud[: len(loud) // runs * runs].reshape(runs, -1).mean(1)
    share = float(minutes.mean())
    high = share + 1.96 * float(minutes.std()) / max(1, runs) ** 0.5
    return Row(f"speaks during {SILENCE_S:.0f} s of silence or noise", "<= 2 %", share,
               (max(0.0, 2 * share - high), high), runs, holds=share <= 0.02)  # fmt: skip


def _speech_row(world: World, spoken: list[tuple[str, str, NDArray[np.float32]]]) -> Row:
    """Word errors of the robot's speech above those of the synthesiser's own."""
    recogniser = Recogniser(
        [text for text in world.agent_texts(np.random.default_rng(0), 400) if "<" not in text]
    )
    differences, words = [], 0
    for voice, text, samples in spoken:
        wanted = plain(text).split()
        place = np.flatnonzero(sounds(samples)) * 240
        if not len(place):
            differences.append((len(wanted), 0, len(wanted)))
            continue
        margin = _sample(MARGIN_S)
        part = samples[max(0, place[0] - margin) : place[-1] + margin]
        own = word_errors(wanted, recogniser.words(part))
        reference = speak(text, AGENTS[voice]).samples
        theirs = word_errors(wanted, recogniser.words(at_level(reference)))
        differences.append((own, theirs, len(wanted)))
        words += len(wanted)
    data = np.array(differences or [(1, 0, 1)])

    def above(errors, base, count, axis=-1):  # type: ignore[no-untyped-def]
        return (errors.sum(axis) - base.sum(axis)) / count.sum(axis)

    value = float(above(*data.T))
    low, high = value, value
    if len(data) > 1:
        interval = bootstrap(tuple(data.T), above, paired=True, n_resamples=1000, rng=0,
                             method="percentile").confidence_interval  # fmt: skip
        low, high = interval.low, interval.high
    base = data[:, 1].sum() / data[:, 2].sum()
    what = f"word errors above the synthesiser's ({base:.1%}), words"
    return Row(what, "<= 3 %", value, (low, high), words, holds=value <= 0.03)


def _resynthesis_row(world: World, engine: Engine) -> Row:
    """STOI of held-out callers' sentences that went through the codec."""
    from pystoi import stoi

    rng = np.random.default_rng(1)
    texts = [w for i in world.intents.values() for w in i.held_out if len(w) > 22]
    scores, codec = [], engine.codec
    for name in HELD_OUT:
        for _ in range(12):
            voice = Voice(name, int(rng.integers(150, 180)), int(rng.integers(30, 70)))
            samples = at_level(speak(pick(texts, rng), voice).samples)
            frames = -(-len(samples) // FRAME) + 2
            wave = torch.zeros(1, 1, frames * FRAME)
            wave[0, 0, : len(samples)] = torch.from_numpy(samples)
            with torch.inference_mode():
                codes = codec.encode(wave, codec.encoder_state(1), engine.lm.config.codebooks)
                made = codec.decode(codes, codec.decoder_state(1))[0, 0, : len(samples)]
            scores.append(stoi(samples, made.numpy(), RATE))
    value = float(np.mean(scores))
    interval = bootstrap((np.array(scores),), np.mean, n_resamples=1000, rng=0).confidence_interval
    return Row("codec: STOI of held-out voices and sentences", ">= 0.88", value,
               (interval.low, interval.high), len(scores), "", value >= 0.88)  # fmt: skip


def _voice_row(spoken: list[tuple[str, str, NDArray[np.float32]]]) -> Row:
    """Whether the nearest of the synthesiser's voices is the one that was prompted."""
    world, rng = load_world(), np.random.default_rng(2)
    texts = [t for t in world.agent_texts(rng, 4) if 25 < len(t) < 90]
    check = SpeakerCheck(
        {v: [voice_sample(v, [pick(texts, rng)]) for _ in range(REFERENCES)] for v in AGENTS}
    )
    long = [(voice, part) for voice, _, part in spoken if sounds(part).sum() > 80]
    return _share(
        "voice: the nearest is the prompted one", 0.95,
        [check.nearest(part) == voice for voice, part in long],
    )  # fmt: skip


def _pace_row(checkpoint: str | Path, frames: int = 400) -> Row:
    """Time of a frame of one conversation, as the node runs it."""
    engine = Engine.load(checkpoint)
    session = engine.open(Persona("pace"), seed=0)
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((frames, FRAME), np.float32) * np.float32(0.01)
    times = np.array([session.push(frame).timing.total for frame in noise])[20:] * 1e3
    value = float(np.percentile(times, 99))
    interval = bootstrap((times,), partial(np.percentile, q=99), n_resamples=500, rng=0,
                         method="percentile").confidence_interval  # fmt: skip
    return Row("a frame through the whole chain, p99", "<= 40 ms", value,
               (interval.low, interval.high), len(times), "ms", value <= 40)  # fmt: skip


def _sample(seconds: float) -> int:
    return max(0, round(seconds * RATE))
