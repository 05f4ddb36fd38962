"""Losses filled with the sound going on leave more words to a recogniser than zeros do."""

from __future__ import annotations

import numpy as np
import pytest

from personaplex_ros.audio import AudioChunk, IntakeLimits
from personaplex_ros.audio.network import StreamJoiner

pytestmark = pytest.mark.long

RATE, CHUNK, LOSS = 24_000, 480, 0.2
SENTENCES = 10


def received(samples: np.ndarray, conceal: bool, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    joiner = StreamJoiner(IntakeLimits(conceal=conceal), RATE)
    parts = []
    for first in range(0, len(samples), CHUNK):
        if first and rng.random() < LOSS:
            continue
        stamp_ns = 10**18 + first * 10**9 // RATE
        chunk = AudioChunk(samples[first : first + CHUNK], RATE, 1, stamp_ns, first, "mic")
        parts += [piece.samples for piece in joiner.push(chunk, stamp_ns + 20_000_000)]
    return np.concatenate(parts)


def test_words_are_better_understood_than_with_zeros():
    pytest.importorskip("pocketsphinx")
    from personaplex_ros.training.evaluation.recogniser import Recogniser
    from personaplex_ros.training.voices.speakers import AGENTS
    from personaplex_ros.training.voices.speech import speak
    from personaplex_ros.training.world import load_world, plain

    world, rng = load_world(), np.random.default_rng(0)
    texts = sorted({t for t in world.agent_texts(rng, 4) if len(t) > 30 and "{" not in t})
    chosen = [str(text) for text in rng.choice(texts, SENTENCES, replace=False)]
    recogniser = Recogniser(chosen)
    voices = list(AGENTS.values())
    right = {True: 0, False: 0}
    words = 0
    for number, text in enumerate(chosen):
        speech = speak(text, voices[number % len(voices)]).samples
        expected = plain(text).split()
        words += len(expected)
        for conceal in right:
            heard = recogniser.words(received(speech, conceal, number), np.random.default_rng(0))
            right[conceal] += sum(word in heard for word in expected)
    print(f"of {words} words: {right[True]} concealed, {right[False]} with zeros")
    assert right[True] > right[False] and right[True] > 0.8 * words
