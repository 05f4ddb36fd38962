"""An independent judge of what is said: pocketsphinx with a trigram of the robot's sentences."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray

from personaplex_ros.training.speech import RATE
from personaplex_ros.training.world import plain

NOISE_DB = -30.0  # white noise below the speech; digital silence confuses the recogniser
PAD_S = 0.25


class Recogniser:
    """Recognises 24 kHz speech in the words of given sentences."""

    def __init__(self, sentences: Sequence[str]):
        import pocketsphinx
        from pocketsphinx.lm import ArpaBoLM

        text = "\n".join(f"<s> {plain(sentence)} </s>" for sentence in sentences)
        with tempfile.TemporaryDirectory() as folder:
            arpa = Path(folder) / "robot.arpa"
            model = ArpaBoLM(text=text)
            model.compute()
            model.write_file(str(arpa))
            self._decoder = pocketsphinx.Decoder(lm=str(arpa), loglevel="FATAL")

    def words(self, samples: NDArray[np.float32]) -> list[str]:
        """Return the words of samples [n]."""
        rng = np.random.default_rng(0)
        level = float(np.sqrt(np.mean(np.square(samples)))) + 1e-6
        padded = np.pad(samples, round(PAD_S * RATE))
        noisy = padded + rng.standard_normal(len(padded)) * level * 10 ** (NOISE_DB / 20)
        low = soxr.resample(noisy.astype(np.float32), RATE, 16_000)
        data = (np.clip(low * min(4.0, 0.5 / np.abs(low).max()), -1, 1) * 32767).astype(np.int16)
        self._decoder.start_utt()
        self._decoder.process_raw(data.tobytes(), full_utt=True)
        self._decoder.end_utt()
        hypothesis = self._decoder.hyp()
        return plain(hypothesis.hypstr).split() if hypothesis else []


def word_errors(wanted: Sequence[str], found: Sequence[str]) -> int:
    """Return the fewest insertions, deletions and replacements that make one of the other."""
    row = list(range(len(found) + 1))
    for place, word in enumerate(wanted, 1):
        corner, row[0] = row[0], place
        for column, other in enumerate(found, 1):
            best = min(row[column] + 1, row[column - 1] + 1, corner + (word != other))
            corner, row[column] = row[column], best
    return row[-1]
