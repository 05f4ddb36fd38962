"""A judge of what speech says: pocketsphinx with a trigram of the robot's sentences.

Its own language model gets most words wrong on synthetic speech. It knows the robot's sentences
beforehand, so it judges how intelligible they are, not what the robot knows.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray

from personaplex_ros.optional import require
from personaplex_ros.training.voices.speech import RATE
from personaplex_ros.training.voices.speech_bank import at_level
from personaplex_ros.training.world import plain

RECOGNISER_RATE = 16_000  # Hz
NOISE_DB = -30.0  # white noise relative to the speech: digital silence misleads the recogniser
MARGIN_S = 0.3  # of noise alone before and after the speech


class Recogniser:
    """Turns sentences into words."""

    def __init__(self, sentences: Sequence[str]):
        """Make a decoder that knows the words and triples of words of ``sentences``."""
        sphinx, models = require("pocketsphinx"), require("pocketsphinx.lm")
        text = "\n".join(plain(sentence) for sentence in sentences)
        model = models.ArpaBoLM(text=text, add_start=True)
        model.compute()
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "sentences.arpa"
            with path.open("w") as file:
                model.write(file)
            self._decoder = sphinx.Decoder(lm=str(path), loglevel="FATAL")

    def words(self, samples: NDArray[np.float32], rng: np.random.Generator) -> list[str]:
        """Return the words heard in speech float32 [n] at 24 kHz."""
        pcm = recogniser_input(samples, rng)
        self._decoder.start_utt()
        self._decoder.process_raw(pcm.tobytes(), full_utt=True)
        self._decoder.end_utt()
        hypothesis = self._decoder.hyp()
        return plain(hypothesis.hypstr).split() if hypothesis else []


def recogniser_input(samples: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.int16]:
    """Return speech [n] at 24 kHz as int16 at 16 kHz, at one level, in noise, with margins."""
    if not np.any(samples):
        raise ValueError("there is no speech in these samples: all are 0")
    speech = soxr.resample(at_level(samples), RATE, RECOGNISER_RATE)
    margin = round(MARGIN_S * RECOGNISER_RATE)
    padded = np.pad(speech, margin)
    noise = np.sqrt(np.mean(np.square(speech))) * 10 ** (NOISE_DB / 20)
    padded = padded + rng.standard_normal(len(padded)) * noise
    return (np.clip(padded, -1, 1) * 32767).astype(np.int16)
