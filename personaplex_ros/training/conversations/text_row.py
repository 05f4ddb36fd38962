"""The robot's words as a row of tokens, one a frame (Moshi, section 3.4.4, "inner monologue")."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import sentencepiece
from numpy.typing import NDArray

from personaplex_ros.checkpoint import TextTokenizer
from personaplex_ros.files import write_whole
from personaplex_ros.persona import TAG
from personaplex_ros.training.voices.speech import Interval

UNKNOWN, BEGIN, END, PAD = 0, 1, 2, 3  # the published special ids; 0 is also EPAD
EPAD = UNKNOWN


def train_tokenizer(texts: Sequence[str], path: Path, pieces: int) -> None:
    """Train a small SentencePiece model with the published special ids on all that can be said."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts), model_writer=model, vocab_size=pieces,
        model_type="bpe", unk_id=UNKNOWN, bos_id=BEGIN, eos_id=END, pad_id=PAD,
        user_defined_symbols=[TAG], character_coverage=1.0, minloglevel=2,
    )  # fmt: skip
    write_whole(path, lambda place: place.write_bytes(model.getvalue()))


def text_row(
    words: Sequence[Interval], tokenizer: TextTokenizer, frames: int, frame_s: float
) -> NDArray[np.int16]:
    """Lay words out in time: int16 [frames].

    A word's tokens begin in the frame in which it begins to be spoken, or right after those of
    the word before. EPAD announces a word that follows PAD, which fills the rest.
    """
    row = np.full(frames, PAD, np.int16)
    free = 0
    for word in words:
        tokens = tokenizer.encode(word.text)
        at = max(free, int(word.start_s / frame_s + 1e-6))
        row[at : at + len(tokens)] = tokens[: max(0, frames - at)]
        if at > free or (at > 0 and at == free and row[at - 1] == PAD):
            row[at - 1] = EPAD
        free = at + len(tokens)
    return row
