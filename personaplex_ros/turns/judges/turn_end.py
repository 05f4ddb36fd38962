"""Whether a person who has fallen silent has finished, judged by how it was said."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..detection.activity import Activity
from ..detection.prosody import BANDS, HOPS, Prosody

FEATURES = HOPS * (BANDS + 2) + 4
SPEECH, SILENCE = 0.5, 0.35
"""Probabilities of speech from which on a frame is heard, and below which it is silent."""
VOICED = 0.5
LEVEL_MEMORY, PITCH_MEMORY = 40, 80
"""Frames and pictures over which the speaker's level and pitch are averaged."""
FORGET_S = 3.0
"""Silence after which what was said before is forgotten."""
WEIGHTS = Path(__file__).with_name("turn_end.safetensors")

Floats = NDArray[np.float32]


class Manner:
    """What the judge looks at: the sound of each frame, against how this person speaks.

    silence_s: how long the person has been silent, 0 while they speak; speech_s: how much they have
    said since they were silent for `FORGET_S`.
    """

    def __init__(self, sample_rate: int, frame_size: int) -> None:
        self._prosody = Prosody(sample_rate, frame_size)
        self._frame_s = frame_size / sample_rate
        self._rate = sample_rate
        self.reset()

    def reset(self) -> None:
        """Forget the person."""
        self._prosody.reset()
        self._probability = 0.0
        self._level, self._levels = 0.0, 0
        self._pitch, self._pitches = 0.0, 0
        self.silence_s = self.speech_s = 0.0

    def push(self, samples: Floats, windows: Sequence[Activity]) -> Floats:
        """Take a frame and what the detector says of it; return float32 [FEATURES]."""
        bands, pitch, voicing = self._prosody.push(samples)
        for window in windows:
            self._probability = window.probability
            if window.probability >= SPEECH:
                self.silence_s = 0.0
                self.speech_s += window.length_samples / self._rate
            elif self.silence_s > 0.0 or window.probability < SILENCE:
                self.silence_s += window.length_samples / self._rate
        if self.silence_s >= FORGET_S:
            self.speech_s = 0.0
        speaks = self.silence_s == 0.0 and self.speech_s > 0.0
        voiced = voicing > VOICED
        if speaks:
            self._learn(float(bands.max(axis=1).mean()), pitch[voiced])
        heard = np.clip(bands - self._level, -5.0, 2.0) * np.float32(0.5)
        tone = np.where(voiced, np.clip(pitch - self._pitch, -1.0, 1.0) * 2.0, 0.0)
        mean = np.mean([w.probability for w in windows]) if windows else self._probability
        silence, speech = min(self.silence_s, 2.0), min(self.speech_s, 8.0) / 4.0
        rest = np.array((self._probability, mean, silence, speech), np.float32)
        return np.concatenate((heard.ravel(), tone.astype(np.float32), voicing, rest))

    def _learn(self, level: float, pitches: Floats) -> None:
        self._levels = min(self._levels + 1, LEVEL_MEMORY)
        self._level += (level - self._level) / self._levels
        for pitch in pitches:
            self._pitches = min(self._pitches + 1, PITCH_MEMORY)
            self._pitch += (float(pitch) - self._pitch) / self._pitches


class TurnEndJudge:
    """Tells how sure it is that a person who is silent has finished; for one thread.

    A small recurrent network, in numpy: what was said before the silence, and how, decides how long
    a silence has to be. `docs/turn_taking.md` says what it learnt from.
    """

    def __init__(self, sample_rate: int, frame_size: int) -> None:
        self._manner = Manner(sample_rate, frame_size)
        self._weights = _weights()
        self._memory = np.zeros(self._weights["memory.weight_hh_l0"].shape[1], np.float32)

    def reset(self) -> None:
        """Forget the person and what they said."""
        self._manner.reset()
        self._memory[:] = 0.0

    def push(self, samples: Floats, windows: Sequence[Activity]) -> float:
        """Take a frame, float32 [frame_size], and the detector's windows that ended with it.

        Returns the probability that the turn is over; 0 while the person speaks or has said nothing
        for `FORGET_S`.
        """
        features = self._manner.push(samples, windows)
        if self._manner.speech_s == 0.0:
            self._memory[:] = 0.0
        weights = self._weights
        seen = np.maximum(weights["inner.weight"] @ features + weights["inner.bias"], 0.0)
        given = weights["memory.weight_ih_l0"] @ seen + weights["memory.bias_ih_l0"]
        kept = weights["memory.weight_hh_l0"] @ self._memory + weights["memory.bias_hh_l0"]
        size = len(self._memory)
        reset, update = _logistic(given[: 2 * size] + kept[: 2 * size]).reshape(2, size)
        new = np.tanh(given[2 * size :] + reset * kept[2 * size :])
        self._memory = new + update * (self._memory - new)
        if self._manner.silence_s == 0.0 or self._manner.speech_s == 0.0:
            return 0.0
        verdict = weights["verdict.weight"] @ self._memory + weights["verdict.bias"]
        return float(_logistic(verdict)[0])


@functools.cache
def _weights() -> dict[str, Floats]:
    from safetensors.numpy import load_file

    return load_file(WEIGHTS)


def _logistic(x: Floats) -> Floats:
    return 0.5 + 0.5 * np.tanh(0.5 * x)
