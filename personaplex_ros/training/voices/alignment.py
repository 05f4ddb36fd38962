"""When each word and phone of a sentence is spoken, found by pocketsphinx, which is told it."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from personaplex_ros.optional import require
from personaplex_ros.training.evaluation.recogniser import MARGIN_S, recogniser_input
from personaplex_ros.training.voices.speech import RATE, Interval
from personaplex_ros.training.world import plain

FRAME_S = 0.01  # of the recogniser
SILENCE = "SIL"
PHONES = (
    SILENCE, "AA", "AE", "AH", "AO", "AW", "AY", "B", "CH", "D", "DH", "EH", "ER", "EY", "F", "G",
    "HH", "IH", "IY", "JH", "K", "L", "M", "N", "NG", "OW", "OY", "P", "R", "S", "SH", "T", "TH",
    "UH", "UW", "V", "W", "Y", "Z", "ZH",
)  # fmt: skip


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


def phones_of(text: str, samples: NDArray[np.float32]) -> tuple[Interval, ...]:
    """Return when each phone, one of ``PHONES``, is spoken; nothing where it was not found."""
    decoder, pcm = _decoder(), _pcm(samples)
    if not _found(plain(text), pcm):
        return ()
    decoder.set_alignment()  # of the words that were found, in a second pass
    try:
        _listen(pcm)
    except RuntimeError:  # which does not always come to the sentence's end
        return ()
    phones = tuple(
        Interval(phone.name, phone.start * FRAME_S - MARGIN_S, _end_s(phone) - MARGIN_S)
        for word in decoder.get_alignment()
        for phone in word
    )
    # A hum may be taken for silence, which what was said is not.
    return phones if any(phone.text != SILENCE for phone in phones) else ()


def _end_s(entry: Any) -> float:
    return float((entry.start + entry.duration) * FRAME_S)


def _segments(words: str, samples: NDArray[np.float32]) -> list[tuple[float, float]]:
    if not _found(words, _pcm(samples)):
        return []
    return [
        (one.start_frame * FRAME_S - MARGIN_S, (one.end_frame + 1) * FRAME_S - MARGIN_S)
        for one in _decoder().seg()
        if not one.word.startswith("<") and not one.word.startswith("[")
    ]


def _found(words: str, pcm: bytes) -> bool:
    """Look for words in sound; tell whether they are there."""
    decoder = _decoder()
    if not words or any(decoder.lookup_word(word) is None for word in words.split()):
        return False
    decoder.set_align_text(words)
    _listen(pcm)
    return decoder.hyp() is not None


def _listen(pcm: bytes) -> None:
    decoder = _decoder()
    decoder.start_utt()
    decoder.process_raw(pcm, full_utt=True)
    decoder.end_utt()


def _pcm(samples: NDArray[np.float32]) -> bytes:
    return recogniser_input(samples, np.random.default_rng(0)).tobytes()


@functools.cache
def _decoder() -> Any:
    return require("pocketsphinx").Decoder(loglevel="FATAL")
