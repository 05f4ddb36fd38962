"""Sentences as a microphone hears them, in batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import soxr
import torch
from numpy.typing import NDArray
from torch.utils.data import default_collate

from personaplex_ros.training.chance import pick
from personaplex_ros.training.conversations.corpus import NOTHING_HEARD
from personaplex_ros.training.conversations.recordings import FRAME_S
from personaplex_ros.training.hearing.utterances import FULL_SCALE, Utterance
from personaplex_ros.training.learning.loop import Batch
from personaplex_ros.training.sound.augment import placed
from personaplex_ros.training.sound.microphone import Microphone, through_input
from personaplex_ros.training.voices.alignment import PHONES, SILENCE
from personaplex_ros.training.voices.speakers import FACTORS
from personaplex_ros.training.voices.speech import RATE
from personaplex_ros.training.voices.speech_bank import at_level
from personaplex_ros.training.world import plain

START_S = (0.1, 0.9)  # of a sentence
FACTOR_CHANCE = 0.6  # that it is made higher or lower as a whole
OTHERS_CHANCE, OTHERS_DB = 0.15, (8, 25)  # somebody else speaks, so much softer
ASKED_S = (-0.01, 0.03)  # after a frame's begin: a causal encoder knows a phone a little later
AROUND_CHANCE, AROUND_DB = 0.35, (-2, 25)  # music, people or a television, so much softer
BEFORE_S, AFTER_S = 0.08, 0.2  # of a sentence, that are not silence either
UNKNOWN_PHONE = -1


@dataclass(frozen=True)
class Moments:
    """Random batches of ``batch`` sentences, each at some time within ``frames``."""

    utterances: Sequence[Utterance]
    numbers: dict[str, int]  # of words, see ``corpus.caller_words``
    batch: int
    frames: int
    seed: int
    around: Sequence[NDArray[np.int16]] = ()  # what may go on around those who speak

    def draw(self, step: int) -> Batch:
        """Return the batch of a step.

        ``wave`` float32 [B, n]; ``alone`` float32 [B, n], the same without what goes on around
        those who speak, by an input without timbre that is set well; ``heard`` int64 [B, F], the
        words that have just ended, or ``NOTHING_HEARD``; ``phones`` int64 [B, F, 2],
        ``UNKNOWN_PHONE`` where nobody knows; ``spoken`` bool [B, F]; ``familiar`` bool [B].
        """
        numbers = range(step * self.batch, (step + 1) * self.batch)
        batch: Batch = default_collate([self.one(number) for number in numbers])
        return batch

    def one(self, number: int) -> Batch:
        """Return a moment: a row of what ``draw`` returns."""
        names = ("wave", "alone", "heard", "phones", "spoken", "familiar")
        arrays = self._moment(np.random.default_rng((self.seed, number)))
        return {name: torch.from_numpy(array) for name, array in zip(names, arrays, strict=True)}

    def _moment(self, rng: np.random.Generator) -> tuple[NDArray, ...]:
        one, microphone = pick(self.utterances, rng), Microphone.draw(rng)
        factor = float(np.exp(rng.uniform(*np.log(FACTORS))))
        factor = factor if one.words and rng.random() < FACTOR_CHANCE else 1.0
        start_s = float(rng.uniform(*START_S))
        count = round(self.frames * FRAME_S * RATE)
        wave = microphone.noise(count, rng)
        clips = [(start_s, microphone.hear(_sound(one, factor)))]
        if rng.random() < OTHERS_CHANCE:
            softer = 10 ** (-rng.uniform(*OTHERS_DB) / 20)
            other = microphone.hear(_sound(pick(self.utterances, rng), 1.0))
            clips.append((float(rng.uniform(0, START_S[1])), other * np.float32(softer)))
        alone = wave + placed(clips, count)
        wave = through_input(alone + self._around(count, microphone.level, rng), rng)

        def at(moment_s: float) -> float:
            return start_s + moment_s / factor

        heard = np.full(self.frames, NOTHING_HEARD)
        for word in one.words:
            frame = int(at(word.end_s) / FRAME_S) + 1
            if frame < self.frames:
                heard[frame] = self.numbers[plain(word.text)]
        times = np.arange(self.frames) * FRAME_S
        last_s = one.words[-1].end_s if one.words else len(one.samples) / RATE
        begin, end = at(0.0) - BEFORE_S, at(last_s) + AFTER_S
        phones = np.full((self.frames, len(ASKED_S)), UNKNOWN_PHONE)
        if one.phones:
            phones[:] = PHONES.index(SILENCE)
            asked = times[:, None] + np.array(ASKED_S)
            for phone in one.phones:
                inside = (asked >= at(phone.start_s)) & (asked < at(phone.end_s))
                phones[inside] = PHONES.index(phone.text)
        spoken = (times > begin) & (times < end)
        return wave, np.clip(alone, -1, 1), heard, phones, spoken, np.array(one.familiar)

    def _around(self, count: int, level: float, rng: np.random.Generator) -> NDArray[np.float32]:
        """Return what goes on around somebody who speaks at a level (RMS): mostly nothing."""
        if not self.around or rng.random() >= AROUND_CHANCE:
            return np.zeros(count, np.float32)
        sound = pick(self.around, rng)
        part = sound[int(rng.integers(len(sound) - count)) :][:count].astype(np.float32)
        softer = 10 ** (-float(rng.uniform(*AROUND_DB)) / 20)
        return at_level(part, level * softer) if part.any() else part


def _sound(one: Utterance, factor: float) -> NDArray[np.float32]:
    samples = one.samples.astype(np.float32) / np.float32(FULL_SCALE)
    if factor == 1.0:
        return samples
    resampled: NDArray[np.float32] = soxr.resample(samples, RATE, RATE / factor)
    return resampled
