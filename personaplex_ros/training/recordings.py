"""Recordings of callers, from whose pieces conversations are put together.

A recording is one caller before one microphone: requests, interruptions and the rest, one after
the other, with the quiet room between. As codes its pieces can be used in any order, so some
hours of recordings make any number of conversations.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from personaplex_ros.training.callers import Spoken, ask, random_intent
from personaplex_ros.training.chance import pick
from personaplex_ros.training.microphone import Microphone
from personaplex_ros.training.speakers import random_caller
from personaplex_ros.training.speech import RATE, Interval, Voice, speak
from personaplex_ros.training.world import World

FRAME_S = 0.08
QUESTIONS, INTERRUPTIONS, BACKCHANNELS = 22, 8, 5  # in a recording
STORY_CHANCE, STORY_PARTS = 0.35, 4
GAP_S = (0.9, 1.6)
TAIL_FRAMES = 4  # after speech, until the codes are those of the room again
STREAM_START_FRAMES = 6  # whose codes know that the stream has just begun


@dataclass(frozen=True)
class Take:
    """Something said in a recording; times are in seconds from the start of frame ``first``.

    ``kind`` is "question", "interruption", "backchannel", or "opening", "part" or "closing" of a
    story. ``frames`` last until the room is quiet again.
    """

    kind: str
    intent: str
    text: str
    first: int
    frames: int
    start_s: float
    end_s: float
    words: tuple[Interval, ...]
    pauses: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class Recording:
    """A caller in codes, int16 [codebooks, F], and where in it what is said."""

    codes: NDArray[np.int16]
    takes: tuple[Take, ...]
    quiet: list[tuple[int, int]] = field(init=False)  # frames without speech, from and to

    def __post_init__(self) -> None:
        ends = [STREAM_START_FRAMES, *(take.first + take.frames for take in self.takes)]
        starts = [*(take.first for take in self.takes), self.codes.shape[1]]
        gaps = [(a, b) for a, b in zip(ends, starts, strict=True) if b > a]
        object.__setattr__(self, "quiet", gaps)

    def room(self, frames: int, rng: np.random.Generator) -> NDArray[np.int16]:
        """Return so many frames of the quiet room, pieced together."""
        parts: list[NDArray[np.int16]] = []
        while sum(part.shape[1] for part in parts) < frames:
            parts.append(self.codes[:, slice(*pick(self.quiet, rng))])
        return np.concatenate(parts, axis=1)[:, :frames]


def record(world: World, rng: np.random.Generator) -> tuple[NDArray[np.float32], tuple[Take, ...]]:
    """Let a random caller speak: float32 [n] at 24 kHz, whole frames, and what is said when."""
    voice = random_caller(rng)
    spoken = _speeches(world, voice, rng)
    takes, clips = [], []
    now = float(rng.uniform(1.0, 1.5))
    for part in spoken:
        take = _place(part, now)
        takes.append(take)
        clips.append((now, part.speech.samples))
        now = (take.first + take.frames) * FRAME_S + float(rng.uniform(*GAP_S))
    count = round(math.ceil(now / FRAME_S) * FRAME_S * RATE)
    return _heard(clips, count, rng), tuple(takes)


def _heard(
    clips: Sequence[tuple[float, NDArray[np.float32]]], count: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return what a random microphone hears of clips (start, samples) in ``count`` samples."""
    microphone = Microphone.draw(rng)
    wave = microphone.noise(count, rng)
    for start_s, samples in clips:
        start = round(start_s * RATE)
        part = microphone.hear(samples)[: count - start]
        wave[start : start + len(part)] += part
    return np.clip(wave, -1, 1)


def _speeches(world: World, voice: Voice, rng: np.random.Generator) -> list[Spoken]:
    """Draw what is said, in random order."""
    said = [
        ask(world, voice, random_intent(world, rng), kind, rng)
        for kind, count in (("question", QUESTIONS), ("interruption", INTERRUPTIONS))
        for _ in range(count)
    ]
    texts = [("backchannel", pick(world.user_backchannels, rng)) for _ in range(BACKCHANNELS)]
    if rng.random() < STORY_CHANCE:
        stories = world.stories
        parts = rng.permutation(len(stories["parts"]))[:STORY_PARTS]
        texts += [("part", stories["parts"][number]) for number in parts]
        texts += [(kind, pick(stories[kind], rng)) for kind in ("opening", "closing")]
    said += [Spoken(kind, "", text, speak(text, voice)) for kind, text in texts]
    return [said[number] for number in rng.permutation(len(said))]


def _place(spoken: Spoken, start_s: float) -> Take:
    first = math.floor(start_s / FRAME_S)
    offset = start_s - first * FRAME_S
    end_s = offset + spoken.speech.duration_s
    words = tuple(word.later(offset) for word in spoken.speech.words)
    pauses = tuple((offset + a, offset + b) for a, b in spoken.pauses)
    frames = math.ceil(end_s / FRAME_S) + TAIL_FRAMES
    return Take(
        spoken.kind, spoken.intent, spoken.text, first, frames, offset, end_s, words, pauses
    )
