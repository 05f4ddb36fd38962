"""The evaluation as a whole: hold conversations, judge them, and sum up against the goals."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from personaplex_ros.checkpoint.files import resolve
from personaplex_ros.checkpoint.listening import has_listening_head
from personaplex_ros.engine import Engine, Persona, Sampling
from personaplex_ros.estimate import (
    Estimate,
    bootstrap,
    mean,
    median,
    share,
    slowest,
)
from personaplex_ros.optional import require
from personaplex_ros.persona import TAG
from personaplex_ros.training.evaluation.converse import Dialogue, Stage
from personaplex_ros.training.evaluation.fidelity import (
    Heard,
    Listener,
    added_errors,
    robots_errors,
)
from personaplex_ros.training.evaluation.judge import Verdict, judge, judge_story
from personaplex_ros.training.evaluation.listening import Written, error_rate, written
from personaplex_ros.training.evaluation.resynthesis import (
    held_out_utterance,
    intelligibility,
    resynthesise,
)
from personaplex_ros.training.evaluation.scenarios import (
    Plan,
    plan_dialogue,
    plan_silence,
    plan_story,
)
from personaplex_ros.training.evaluation.speaker import Speakers, say_all
from personaplex_ros.training.evaluation.table import Report, Row
from personaplex_ros.training.evaluation.transcript import transcript
from personaplex_ros.training.evaluation.turns import answers, heard_speech
from personaplex_ros.training.voices.speech import RATE
from personaplex_ros.training.world import World, load_world

Progress = Callable[[str, int, int], None]  # stage, how many are done, of how many

LISTENED = 300  # answers, at most, that the recogniser hears; more than 2000 words
TIMED_FRAMES, WARM_FRAMES = 300, 25
LEAST_SPEECH_S = 1.0  # from which a dialogue's voice can be told
REFERENCE_SENTENCES = 45  # of each voice


@dataclass(frozen=True)
class _Judges:
    """What hears the robot: a recogniser, and references of its voices with and without codec."""

    listener: Listener
    coded: Speakers
    direct: Speakers


@dataclass(frozen=True)
class _Voice:
    """A dialogue's voice prompt, "wave" or "pt", and by which references it was recognised."""

    prompt: str
    coded: bool
    direct: bool


@dataclass
class _Findings:
    """What the conversations have shown so far."""

    verdicts: list[Verdict] = field(default_factory=list)
    heard: list[Heard] = field(default_factory=list)
    voices: list[_Voice] = field(default_factory=list)
    written: list[Written] = field(default_factory=list)
    dialogues: list[dict[str, Any]] = field(default_factory=list)

    def of(self, measure: str) -> list[float]:
        return [float(v.value) for v in self.verdicts if v.measure == measure]


def evaluate(
    checkpoint: Path | str,
    dialogues: int,
    seed: int,
    slots: int,
    progress: Progress,
    sampling: Sampling | None = None,
    device: str = "auto",
) -> Report:
    """Evaluate a checkpoint folder (or a bundled checkpoint by name) of the closed world.

    ``dialogues`` of about half a minute are held, ``slots`` at a time; silences and single
    sentences for the codec are added in proportion. Raises ImportError naming the remedy where a
    package for evaluation is not installed.
    """
    for module in ("espeakng_loader", "pocketsphinx", "pystoi"):
        require(module)
    world, sampling = load_world(), sampling or Sampling()
    timed = {}
    for cores in (1, 2):
        alone = Engine.load(checkpoint, device=device, threads=cores)
        timed[cores] = _time_frames(Stage(alone, world, 1, sampling, seed), progress)
    listens = has_listening_head(resolve(checkpoint))
    engine = Engine.load(
        checkpoint, device=device, slots=slots, threads=os.cpu_count(), listens=listens
    )
    stage = Stage(engine, world, slots, sampling, seed)
    clear = _intelligibility(stage, max(8, dialogues // 2), progress)
    talking = _silences(stage, max(2, dialogues // 12), progress)
    told = _stories(stage, max(2, dialogues // 5), progress)
    findings = _converse(stage, dialogues, progress)
    about = {
        "checkpoint": Path(checkpoint).name, "dialogues": dialogues, "seed": seed,
        "unsaid": sum(int(d["unsaid"]) for d in findings.dialogues),
        "device": str(engine.device), **asdict(sampling),
    }  # fmt: skip
    rows = _conversation_rows(findings) + (_listening_rows(findings) if listens else [])
    rows += [
        Row("murmurs while a story is told", "%", told["murmurs"]),
        Row("says nothing else meanwhile", "%", told["listens"]),
        Row("answers when it is told", "%", told["story_answer"]),
        Row("speaks while nobody does", "%", bootstrap(talking, mean), 0.02, at_least=False),
        Row("STOI of held-out callers after the codec", "", bootstrap(clear, mean), 0.88),
        Row("frame on two cores, p99", "ms", bootstrap(timed[2], slowest), 0.040, at_least=False),
        Row("frame on one core, p99", "ms", bootstrap(timed[1], slowest)),
    ]
    return Report(about, rows, sorted(findings.dialogues, key=lambda d: int(d["number"])))


def _conversation_rows(findings: _Findings) -> list[Row]:
    def happened(measure: str) -> Estimate:
        return share([value > 0.5 for value in findings.of(measure)])

    def voice(prompt: str) -> Estimate:
        return share([voice.coded for voice in findings.voices if voice.prompt == prompt])

    counts = [(one.words, one.robot, one.synthesiser) for one in findings.heard]
    words = sum(one.words for one in findings.heard)
    direct = share([voice.direct for voice in findings.voices])
    latency = bootstrap(findings.of("latency"), median)
    silenced_after = bootstrap(findings.of("silenced_after"), median)
    added = bootstrap(counts, added_errors, words)
    return [
        Row("right answer", "%", happened("answer"), 0.92),
        Row("persona's facts, unseen combinations", "%", happened("persona"), 0.90),
        Row("takes the turn", "%", happened("takeover"), 0.95),
        Row("first sound after the caller, median", "s", latency, 0.40, at_least=False),
        Row("breaks into a pause", "%", happened("pause"), 0.08, at_least=False),
        Row("falls silent when interrupted", "%", happened("silenced"), 0.92),
        Row("last sound after the onset, median", "s", silenced_after),
        Row("then answers the new question", "%", happened("new_answer"), 0.85),
        Row("goes on at a backchannel", "%", happened("goes_on"), 0.92),
        Row("words misheard, above synthesiser", "points", added, 0.03, at_least=False),
        Row("words misheard", "%", bootstrap(counts, robots_errors, words)),
        Row("voice of a wave prompt", "%", voice("wave"), 0.95),
        Row("voice of a .pt prompt", "%", voice("pt"), 0.95),
        Row("voice, by references without the codec", "%", direct),
    ]


def _listening_rows(findings: _Findings) -> list[Row]:
    counts = [(one.words, one.misheard) for one in findings.written]
    words = sum(one.words for one in findings.written)
    late = [one.late_s for one in findings.written if one.late_s is not None]
    misheard = bootstrap(counts, error_rate, words)
    return [
        Row("caller's words that it writes down wrong", "%", misheard, 0.12, at_least=False),
        Row("last word written after it was said, median", "s", bootstrap(late, median)),
    ]


def _converse(stage: Stage, count: int, progress: Progress) -> _Findings:
    world, seed = stage.world, stage.seed
    findings, judges = _Findings(), _make_judges(stage)
    held = stage.hold(lambda number: plan_dialogue(world, (seed, 1, number)), count)
    for number, dialogue in enumerate(held, start=1):
        _examine(dialogue, world, findings, judges)
        progress("dialogues", number, count)
    return findings


def _make_judges(stage: Stage) -> _Judges:
    rng, engine = np.random.default_rng((stage.seed, 5)), stage.engine
    texts = [t for t in stage.world.agent_texts(rng, 10) if TAG not in t and len(t) > 20]
    chosen = [str(text) for text in rng.choice(texts, REFERENCE_SENTENCES)]

    def say_coded(some: Sequence[str], voice: str) -> NDArray[np.float32]:
        return resynthesise(engine.codec, engine.lm.config.codebooks, say_all(some, voice))

    listener = Listener(stage.world, stage.seed)
    return _Judges(listener, Speakers.learn(chosen, say_coded), Speakers.learn(chosen, say_all))


def _examine(dialogue: Dialogue, world: World, findings: _Findings, judges: _Judges) -> None:
    verdicts, voice = judge(dialogue, world), dialogue.plan.voice
    room = LISTENED - len(findings.heard) if voice in judges.listener.voices else 0
    heard = [judges.listener.compare(answer, voice) for answer in answers(dialogue)[:room]]
    speech = heard_speech(dialogue)
    enough = len(speech) > LEAST_SPEECH_S * RATE
    coded, direct = (
        speakers.nearest(speech) if enough else None for speakers in (judges.coded, judges.direct)
    )
    findings.verdicts += verdicts
    findings.heard += heard
    findings.written += written(dialogue)
    findings.voices.append(_Voice(dialogue.voice_prompt, coded == voice, direct == voice))
    findings.dialogues.append(transcript(dialogue, verdicts, heard, coded))


def _silences(stage: Stage, count: int, progress: Progress) -> list[float]:
    """Return the share of time in which the robot is heard, of minutes in which nobody speaks."""

    def plan(number: int) -> Plan:
        return plan_silence(stage.world, (stage.seed, 2, number), noisy=number % 4 > 1)

    shares = []
    for number, dialogue in enumerate(stage.hold(plan, count), start=1):
        shares.append(float(dialogue.sound.mean()))
        progress("silences", number, count)
    return shares


def _stories(stage: Stage, count: int, progress: Progress) -> dict[str, Estimate]:
    """Return how often stories were listened to, by measure of ``judge_story``."""
    values: dict[str, list[bool]] = {}
    held = stage.hold(lambda number: plan_story(stage.world, (stage.seed, 4, number)), count)
    for number, dialogue in enumerate(held, start=1):
        for verdict in judge_story(dialogue, stage.world):
            values.setdefault(verdict.measure, []).append(verdict.value > 0.5)
        progress("stories", number, count)
    return {measure: share(some) for measure, some in values.items()}


def _intelligibility(stage: Stage, count: int, progress: Progress) -> list[float]:
    engine, rng = stage.engine, np.random.default_rng((stage.seed, 3))
    values = []
    for number in range(1, count + 1):
        clean = held_out_utterance(stage.world, rng)
        heard = resynthesise(engine.codec, engine.lm.config.codebooks, clean)
        values.append(intelligibility(clean, heard))
        progress("codec", number, count)
    return values


def _time_frames(stage: Stage, progress: Progress) -> list[float]:
    """Return the seconds that the whole chain takes for each frame of one conversation alone."""
    plan, engine = plan_dialogue(stage.world, (stage.seed, 1, 0)), stage.engine
    persona = Persona("timing", plan.prompt, f"{plan.voice}.pt")
    session = engine.open(persona, stage.sampling, stage.seed)
    frames = plan.noise.reshape(-1, engine.frame_size)[: WARM_FRAMES + TIMED_FRAMES]
    times = []
    for number, frame in enumerate(frames, start=1):
        times.append(session.push(frame).timing.total)
        progress("timing", number, len(frames))
    return times[WARM_FRAMES:]
