"""A speaker whose sentences were said once and lie in a folder, with the times of their words.

Natural synthesizers are slow, so what they say is kept. A folder of a voice holds an index, a
line of JSON a sentence, and a sound file for each.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray

from personaplex_ros.audio import read_wave, write_wave
from personaplex_ros.audio.mono import to_mono
from personaplex_ros.files import write_whole
from personaplex_ros.training.voices.changing import VoiceChange, mean_pitch
from personaplex_ros.training.voices.speech import RATE, Interval, Speech
from personaplex_ros.training.world import plain

INDEX = "sentences.jsonl"
BETWEEN_S = 0.06  # of silence between a sentence and what opens it
MOST_OPENING = 3  # words of "hello there", "sorry, wait", ...
AUDIBLE_DB = -45.0  # against the loudest 10 ms: what is softer at either end is cut off


@dataclass(frozen=True)
class RecordedVoice:
    """A voice from a folder, made higher or lower as a whole, or into another speaker.

    ``factor`` raises pitch and formants and shortens what is said, as a smaller body would.
    """

    folder: Path
    sentences: dict[str, tuple[str, tuple[Interval, ...]]]  # by plain words: file, words
    factor: float = 1.0
    change: VoiceChange | None = None

    @staticmethod
    def open(folder: Path) -> RecordedVoice:
        """Read a voice's index; raises FileNotFoundError where there is none."""
        sentences = {}
        for line in _whole_lines(folder / INDEX):
            entry = json.loads(line)
            words = tuple(Interval(*word) for word in entry["words"])
            sentences[plain(entry["text"])] = (entry["file"], words)
        return RecordedVoice(folder, sentences)

    def knows(self, text: str) -> bool:
        """Whether it can say a text, as a whole or behind an opening such as "Hello,"."""
        return bool(self._parts(text))

    def say(self, text: str) -> Speech:
        """Say a text; raises KeyError for one that was never recorded."""
        parts = self._parts(text)
        if not parts:
            raise KeyError(f"{self.folder.name} has no recording of {text!r}")
        spoken = text.split()
        words: list[Interval] = []
        pieces: list[NDArray[np.float32]] = []
        now_s = 0.0
        for part in parts:
            samples, times = self._read(part)
            # As it is written here, which may be in another case and with other marks.
            for name, time in zip(spoken[len(words) :], times, strict=False):
                words.append(Interval(name, now_s + time.start_s, now_s + time.end_s))
            pieces += [samples, np.zeros(round(BETWEEN_S * RATE), np.float32)]
            now_s += len(samples) / RATE + BETWEEN_S
        return Speech(np.concatenate(pieces[:-1]), tuple(words), ())

    def changed(self, rng: np.random.Generator) -> RecordedVoice:
        """Return another speaker, drawn, who says the same sentences."""
        longest = max(self.sentences, key=lambda key: len(self.sentences[key][1]))
        spoken, _ = replace(self, factor=1.0, change=None)._read(longest)
        return replace(self, change=VoiceChange.draw(mean_pitch(spoken), rng))

    def _parts(self, text: str) -> Sequence[str]:
        whole = plain(text)
        if whole in self.sentences:
            return (whole,)
        words = whole.split()
        for count in range(1, min(MOST_OPENING, len(words) - 1) + 1):
            opening, rest = " ".join(words[:count]), " ".join(words[count:])
            if opening in self.sentences and rest in self.sentences:
                return (opening, rest)
        return ()

    def _read(self, key: str) -> tuple[NDArray[np.float32], tuple[Interval, ...]]:
        file, words = self.sentences[key]
        wave = read_wave(self.folder / file)
        samples = soxr.resample(to_mono(wave.samples), wave.rate, RATE / self.factor)
        by = 1 / self.factor
        if self.change is not None:
            samples, by = self.change(samples.astype(np.float32)), by / self.change.pace
        times = (Interval(word.text, word.start_s * by, word.end_s * by) for word in words)
        return samples.astype(np.float32), tuple(times)


class Recorder:
    """Writes what a voice says into its folder; a stopped one goes on where it was."""

    def __init__(self, folder: Path):
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        index = folder / INDEX
        if not index.is_file():
            self._known: set[str] = set()
            return
        self._known = set(RecordedVoice.open(folder).sentences)
        whole = "".join(_whole_lines(index))
        write_whole(index, partial(Path.write_text, data=whole, encoding="utf-8"))

    def has(self, text: str) -> bool:
        """Whether a text was said."""
        return plain(text) in self._known

    def add(self, text: str, samples: NDArray[np.float32], words: Sequence[Interval]) -> None:
        """Keep what was said: samples float32 [n] at 24 kHz, and a time for every word of it."""
        file = f"{len(self._known):05d}.wav"
        write_wave(self._folder / file, samples, RATE)
        entry = {"text": text, "file": file, "words": [astuple(word) for word in words]}
        with (self._folder / INDEX).open("a", encoding="utf-8") as index:
            index.write(json.dumps(entry) + "\n")
        self._known.add(plain(text))


def _whole_lines(index: Path) -> list[str]:
    """Return an index's lines but for one whose writer was stopped amid it."""
    lines = index.read_text(encoding="utf-8").splitlines(keepends=True)
    return [line for line in lines if line.endswith("\n")]


def trimmed(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return samples [n] at 24 kHz without the silence at either end.

    Raises ValueError where there is nothing else.
    """
    size = RATE // 100
    windows = samples[: len(samples) // size * size].reshape(-1, size)
    power = np.square(windows).mean(axis=1)
    if not len(power) or not power.max() > 0:
        raise ValueError("there is no sound in it")
    loud = np.flatnonzero(power > power.max() * 10 ** (AUDIBLE_DB / 10))
    return samples[loud[0] * size : (loud[-1] + 1) * size]
