"""From a text to the pieces in which the model says it."""

from __future__ import annotations

from dataclasses import dataclass

from personaplex_ros.checkpoint import TextTokenizer
from personaplex_ros.conversing.saying import Saying
from personaplex_ros.lm.script import BREATH, PATIENCE, expect_room

ENDS = (".", "!", "?")  # of sentences


@dataclass(frozen=True)
class Sentence:
    """A text as the model says it: its pieces, and how long it may be silent before each.

    ``waits`` are those of ``lm.script``, 0 within a word. ``left_out`` names symbols that have no
    words.
    """

    pieces: list[int]
    waits: list[int]
    left_out: str


def sentence_of(text: str, tokenizer: TextTokenizer) -> Sentence:
    """Return a text in pieces.

    Raises ValueError for a text without words, one that is too long, or one with characters that
    the tokenizer does not know.
    """
    spelled = tokenizer.spell(text)
    pieces = tokenizer.encode(spelled.text)
    if not any(character.isalnum() for character in spelled.text):
        raise ValueError("there is no word to say")
    expect_room(len(pieces))
    said = [tokenizer.piece(piece) for piece in pieces]
    waits = [
        0 if not piece.startswith(" ") else BREATH if before.endswith(ENDS) else PATIENCE
        for before, piece in zip(["", *said], said, strict=False)
    ]
    return Sentence(pieces, waits, spelled.left_out)


def saying_of(sentence: Sentence, tokenizer: TextTokenizer, lag: int) -> Saying:
    """Return the beginning of a saying."""
    pieces = sentence.pieces
    firsts = [number for number, wait in enumerate(sentence.waits) if wait]
    ends = [*firsts[1:], len(pieces)]
    words = (
        "".join(tokenizer.piece(piece) for piece in pieces[first:end])
        for first, end in zip(firsts, ends, strict=True)
    )
    return Saying(
        tuple(word.strip() for word in words),
        tuple(firsts),
        len(pieces),
        left_out=sentence.left_out,
        lag=lag,
    )
