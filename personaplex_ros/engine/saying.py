"""From a text to the pieces in which the model says it."""

from __future__ import annotations

from dataclasses import dataclass

from personaplex_ros.checkpoint import TextTokenizer
from personaplex_ros.conversing.saying import Saying
from personaplex_ros.lm.script import expect_room


@dataclass(frozen=True)
class Sentence:
    """A text as the model says it: its pieces, and whether each begins a word.

    ``left_out`` names symbols that have no words.
    """

    pieces: list[int]
    begins: list[bool]
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
    begins = [tokenizer.piece(piece).startswith(" ") for piece in pieces]
    return Sentence(pieces, begins, spelled.left_out)


def saying_of(sentence: Sentence, tokenizer: TextTokenizer, lag: int) -> Saying:
    """Return the beginning of a saying."""
    pieces = sentence.pieces
    firsts = [number for number, first in enumerate(sentence.begins) if first]
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
