"""What callers say, a sentence at a time, with the times of its words and phones.

Changing a voice and finding its phones take longer than a step of the training, so sentences are
made once, in parallel, and kept.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from personaplex_ros.children import worker_pool
from personaplex_ros.files import write_whole
from personaplex_ros.training.chance import pick
from personaplex_ros.training.voices.alignment import phones_of
from personaplex_ros.training.voices.speakers import AGENTS, Callers
from personaplex_ros.training.voices.speech import Interval, Speaker, Voice
from personaplex_ros.training.world import World, load_world

FULL_SCALE = 32767
TRIES = 1000  # of texts at random, until one is known
ROBOT_CHANCE = 0.05  # that the robot says something, as its voice prompts are encoded, too


@dataclass(frozen=True, eq=False)
class Utterance:
    """A sentence, int16 [n] at 24 kHz; without ``phones`` where they were not found.

    ``familiar`` tells whether a voice of the synthesiser says it that the codec was made with. What
    the robot says has no ``words``, as callers do not say them.
    """

    samples: NDArray[np.int16]
    words: tuple[Interval, ...]
    phones: tuple[Interval, ...]
    familiar: bool


def build_utterances(
    folder: Path, voices: Path, shards: int, size: int, processes: int
) -> Iterator[Path]:
    """Write whatever is not there of so many files of ``size`` sentences; yields each when done.

    Callers are the synthesiser's voices and the recorded ones whose folders lie in ``voices``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number:05d}.npz" for number in range(shards)]
    jobs = [(path, number, size, voices) for number, path in enumerate(paths) if not path.is_file()]
    with worker_pool(processes) as pool:
        yield from pool.imap_unordered(_build, jobs)


def load_utterances(folder: Path) -> list[Utterance]:
    """Read what ``build_utterances`` wrote; raises FileNotFoundError where there is nothing."""
    found = [one for path in sorted(folder.glob("[0-9]*.npz")) for one in _read(path)]
    if not found:
        raise FileNotFoundError(f"{folder} holds no sentences; run stage hearing from its begin")
    return found


def _build(job: tuple[Path, int, int, Path]) -> Path:
    path, number, size, voices = job
    world, callers = load_world(), Callers.open(voices)
    texts = [*world.openers, *world.breaks, *world.caller_texts()]
    said = []
    for index in range(size):
        rng = np.random.default_rng((15, number, index))
        robot = rng.random() < ROBOT_CHANCE
        said.append(_answer(world, rng) if robot else _said(texts, callers, rng))
    about = [
        {
            "words": [astuple(word) for word in one.words],
            "phones": [astuple(phone) for phone in one.phones],
            "familiar": one.familiar,
        }
        for one in said
    ]

    def save(place: Path) -> None:
        with place.open("wb") as file:
            joined = np.concatenate([one.samples for one in said])
            ends = np.cumsum([len(one.samples) for one in said])
            np.savez(file, samples=joined, ends=ends, about=json.dumps(about))

    write_whole(path, save)
    return path


def _said(texts: Sequence[str], callers: Callers, rng: np.random.Generator) -> Utterance:
    """Let somebody say one of these texts; raises ValueError where he or she knows none."""
    voice = callers.draw(rng)
    text = _known(texts, voice, rng)
    speech = voice.say(text)
    phones = phones_of(text, speech.samples)
    return Utterance(scaled(speech.samples), speech.words, phones, isinstance(voice, Voice))


def _known(texts: Sequence[str], voice: Speaker, rng: np.random.Generator) -> str:
    """Draw a text that a voice knows; looking through all would take longer than saying it."""
    for _ in range(TRIES):
        text = pick(texts, rng)
        if voice.knows(text):
            return text
    known = [text for text in texts if voice.knows(text)]
    if not known:
        raise ValueError(f"{voice} knows nothing that callers say")
    return pick(known, rng)


def _answer(world: World, rng: np.random.Generator) -> Utterance:
    """Let one of the robot's voices say something."""
    voice = AGENTS[pick(list(AGENTS), rng)]
    return Utterance(scaled(voice.say(pick(world.answers(), rng)).samples), (), (), True)


def scaled(samples: NDArray[np.float32]) -> NDArray[np.int16]:
    """Return sound as loud as it can be written down: [n]."""
    loudest = max(float(np.abs(samples).max()), 1e-6)
    return (samples / loudest * FULL_SCALE).astype(np.int16)


def _read(path: Path) -> Iterator[Utterance]:
    with np.load(path, allow_pickle=False) as file:
        samples, ends, about = file["samples"], file["ends"], json.loads(str(file["about"]))
    for first, last, entry in zip([0, *ends[:-1]], ends, about, strict=True):
        words, phones = _intervals(entry["words"]), _intervals(entry["phones"])
        yield Utterance(samples[first:last], words, phones, entry["familiar"])


def _intervals(entries: list[Any]) -> tuple[Interval, ...]:
    return tuple(Interval(*entry) for entry in entries)
