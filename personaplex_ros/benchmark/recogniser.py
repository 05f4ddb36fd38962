"""Who hears the words: pocketsphinx, which works offline, or any other recogniser by its name."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from personaplex_ros.audio import read_wave, resample, to_mono
from personaplex_ros.benchmark.overlap import joined
from personaplex_ros.benchmark.sample import Sample
from personaplex_ros.benchmark.voice_activity import speech_listener
from personaplex_ros.benchmark.words import HeardWord, write_words
from personaplex_ros.optional import require

Recogniser = Callable[[NDArray[np.float32], int], Sequence[HeardWord]]  # samples [n], rate

DEFAULT = "pocketsphinx"
STRETCH_GAP_S = 0.5  # speech is heard in stretches with shorter silences in them
FRAME_S = 0.01  # of the decoder
FASTER = {"maxhmmpf": 3000, "maxwpf": 5}  # states and words it follows: half the time, as good


def load_recogniser(name: str) -> Recogniser:
    """Return the recogniser of that name: "pocketsphinx", or "module:function" for one's own.

    The function takes samples float32 [n] and their rate, and returns words in order. Raises
    ValueError or ImportError naming the remedy.
    """
    if name == DEFAULT:
        return pocketsphinx()
    module, _, attribute = name.partition(":")
    if not attribute:
        raise ValueError(f"no recogniser {name!r}; give {DEFAULT}, or yours as module:function")
    try:
        function = getattr(importlib.import_module(module), attribute)
    except (ModuleNotFoundError, AttributeError) as error:
        raise ImportError(f"recogniser {name!r}: {error}; is its folder on PYTHONPATH?") from error
    if not callable(function):
        raise ValueError(f"recogniser {name!r} is not a function")
    recogniser: Recogniser = function
    return recogniser


def transcribe(samples: Iterable[Sample], recogniser: Recogniser) -> None:
    """Write the words of samples; raises FileNotFoundError where there is no output to hear."""
    for sample in samples:
        if not sample.output.is_file():
            raise FileNotFoundError(
                f"{sample.folder} has neither output.wav nor output.json: "
                "run the model first, without --score-only"
            )
        wave = read_wave(sample.output)
        write_words(sample.words, list(recogniser(to_mono(wave.samples), wave.rate)))


def pocketsphinx() -> Recogniser:
    """Return pocketsphinx with the English models that are in its wheel: a large vocabulary.

    Only stretches of speech are given to it, as it finds words in silence, too. It mistakes most
    of the words of synthetic speech, seldom how many there are and when: benchmarks/recogniser.py.
    """
    sphinx = require("pocketsphinx")
    require("scipy")
    from personaplex_ros.training.evaluation.recogniser import MARGIN_S, recogniser_input
    from personaplex_ros.training.voices.speech import RATE

    decoder, listen = sphinx.Decoder(loglevel="FATAL", **FASTER), speech_listener()

    def hear(samples: NDArray[np.float32], rate: int) -> list[HeardWord]:
        speech = resample(samples, rate, RATE)
        words = []
        for start_s, end_s in joined(listen(samples, rate), STRETCH_GAP_S):
            part = speech[round(start_s * RATE) : round(end_s * RATE)]
            pcm = recogniser_input(part, np.random.default_rng(0))
            decoder.start_utt()
            decoder.process_raw(pcm.tobytes(), full_utt=True)
            decoder.end_utt()
            for one in decoder.seg() if decoder.hyp() else ():
                text = re.sub(r"\(\d+\)$", "", one.word)  # of several ways to say it
                times = (one.start_frame * FRAME_S, (one.end_frame + 1) * FRAME_S)
                begin_s, stop_s = (start_s - MARGIN_S + time for time in times)
                if text[0] not in "<[" and stop_s > start_s and begin_s < end_s:
                    words.append(HeardWord(text, max(begin_s, start_s), min(stop_s, end_s)))
        return words

    return hear
