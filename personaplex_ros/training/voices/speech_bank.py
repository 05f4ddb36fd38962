"""A long stretch of speech of many speakers, from which the codec's training takes crops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from personaplex_ros.children import worker_pool
from personaplex_ros.training.chance import pick
from personaplex_ros.training.sound.augment import reverberate
from personaplex_ros.training.voices.speakers import AGENTS, random_caller
from personaplex_ros.training.voices.speech import RATE, Speech, speak

LABEL_HOP = 240  # samples between two phone labels: 10 ms
LEVEL = 0.063  # RMS of speech, -24 dBFS
HIGH_CHANCE, HIGH_PITCH = 0.3, (70, 100)  # callers as high as women and children may speak
PARTS = 8  # that are made in parallel
SILENCE = "_"
EDGE = 0.02  # of the loudest 10 ms' level: what is softer at either end is no speech


@dataclass(frozen=True)
class SpeechBank:
    """Speech, back to back with pauses: what is to be heard, and what the microphone hears.

    ``clean`` and ``heard`` are float16 [n] at 24 kHz; ``labels`` uint8 [n / 240] index ``phones``.
    """

    clean: NDArray[np.float16]
    heard: NDArray[np.float16]
    labels: NDArray[np.uint8]
    phones: tuple[str, ...]

    @property
    def hours(self) -> float:
        """Length in hours."""
        return len(self.clean) / RATE / 3600


def build_bank(sentences: Sequence[str], hours: float, seed: int, processes: int) -> SpeechBank:
    """Let random speakers say random sentences, a third of them the agent's voices."""
    arguments = [(sentences, hours / PARTS, seed, part) for part in range(PARTS)]
    # A process for each part: then a seed gives one bank, however many run at a time.
    with worker_pool(processes) as pool:
        parts = pool.map(_part, arguments, chunksize=1)
    phones = (SILENCE, *sorted({name for *_, names in parts for name in names} - {SILENCE}))
    number = {name: index for index, name in enumerate(phones)}
    labels = [np.array([number[n] for n in names], np.uint8)[own] for *_, own, names in parts]
    clean, heard = (np.concatenate([part[k] for part in parts]) for k in (0, 1))
    return SpeechBank(clean, heard, np.concatenate(labels), phones)


def phone_class(symbol: str) -> str:
    """Return a phone symbol of espeak-ng without marks of stress and length."""
    return symbol.strip("',%=|*~!;:0123456789").rstrip("_") or SILENCE


def label_phones(speech: Speech, names: list[str]) -> NDArray[np.uint8]:
    """Return the phone of every 10 ms as an index into ``names``, which grows as needed."""
    labels = np.zeros(len(speech.samples) // LABEL_HOP + 1, np.uint8)
    for phone in speech.phones:
        name = phone_class(phone.text)
        if name not in names:
            names.append(name)
        first, last = (round(t * RATE / LABEL_HOP) for t in (phone.start_s, phone.end_s))
        labels[first:last] = names.index(name)
    return labels


def at_level(samples: NDArray[np.float32], rms: float = LEVEL) -> NDArray[np.float32]:
    """Scale samples to a root mean square, but not beyond full scale."""
    scaled = samples * (rms / np.sqrt(np.mean(np.square(samples))))
    return scaled * min(1.0, 0.98 / np.abs(scaled).max())


def sounding(samples: NDArray[np.float32]) -> tuple[int, int]:
    """Return the first sample of the first 10 ms that are not silent, and that after the last."""
    windows = samples[: len(samples) // LABEL_HOP * LABEL_HOP].reshape(-1, LABEL_HOP)
    level = np.sqrt(np.square(windows).mean(axis=1))
    loud = np.flatnonzero(level > EDGE * level.max())
    return int(loud[0]) * LABEL_HOP, int(loud[-1] + 1) * LABEL_HOP


def _part(arguments: tuple[Sequence[str], float, int, int]) -> tuple:
    sentences, hours, seed, job = arguments
    rng = np.random.default_rng((seed, job))
    agents = list(AGENTS.values())
    names = [SILENCE]
    clean, heard, labels = [], [], []
    total = 0
    while total < hours * 3600 * RATE:
        agent = rng.random() < 0.35
        voice = pick(agents, rng) if agent else random_caller(rng)
        if not agent and rng.random() < HIGH_CHANCE:
            voice = replace(voice, pitch=int(rng.integers(*HIGH_PITCH)))
        speech = speak(pick(sentences, rng), voice)
        label = label_phones(speech, names)
        pause = int(rng.exponential(0.3) * RATE) // LABEL_HOP + 2
        level = LEVEL if agent else LEVEL * 10 ** (rng.uniform(-10, 4) / 20)
        size = (len(label) + pause) * LABEL_HOP
        dry, wet = np.zeros(size, np.float32), np.zeros(size, np.float32)
        dry[: len(speech.samples)] = at_level(speech.samples, level)
        wet[:] = dry if agent or rng.random() < 0.6 else reverberate(dry, rng)[:size]
        clean.append(dry.astype(np.float16))
        heard.append(wet.astype(np.float16))
        labels.append(np.pad(label, (0, pause)))
        total += size
    return np.concatenate(clean), np.concatenate(heard), np.concatenate(labels), names
