"""When each word of a sentence is spoken, found by pocketsphinx, which is told the words."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from personaplex_ros.optional import require
from personaplex_ros.training.evaluation.recogniser import MARGIN_S, recogniser_input
from personaplex_ros.training.speech import RATE, Interval
from personaplex_ros.training.world import plain

FRAME_S = 0.01  # of the recogniser


def align(text: str, samples: NDArray[np.float32]) -> tuple[Interval, ...]:
    """Return when each word of ``text.split()`` is spoken in samples float32 [n] at 24 kHz.

    Where a word is in no dictionary or the sentence was not found in the sound, the words share
    the time by their letters.
    """
    duration_s, words = len(samples) / RATE, text.split()
    found = _segments(plain(text), samples)
    if len(found) != len(words):
        ends = np.cumsum([len(word) for word in words]) / sum(len(word) for word in words)
        found = list(zip([0.0, *ends[:-1] * duration_s], ends * duration_s, strict=True))
    return tuple(
        Interval(word, min(max(first, 0.0), duration_s), min(max(last, 0.0), duration_s))
        for word, (first, last) in zip(words, found, strict=True)
    )


def _segments(words: str, samples: NDArray[np.float32]) -> list[tuple[float, float]]:
    decoder = _decoder()
    if any(decoder.lookup_word(word) is None for word in words.split()):
        return []
    decoder.set_align_text(words)
    decoder.start_utt()
    pcm = recogniser_input(samples, np.random.default_rng(0))
    decoder.process_raw(pcm.tobytes(), full_utt=True)
    decoder.end_utt()
    if decoder.hyp() is None:
        return []
    return [
        (one.start_frame * FRAME_S - MARGIN_S, (one.end_frame + 1) * FRAME_S - MARGIN_S)
        for one in decoder.seg()
        if not one.word.startswith("<") and not one.word.startswith("[")
    ]


@functools.cache
def _decoder() -> Any:
    return require("pocketsphinx").Decoder(loglevel="FATAL")
