"""A sentence that a conversation is given to say, and how far it has come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from personaplex_ros.checkpoint import TextTokenizer

UNKNOWN = 0  # SentencePiece's id of what it has no piece for


@dataclass
class Saying:
    """``spoken`` of ``words`` have begun to be heard; ``ended`` also when it was cancelled."""

    words: tuple[str, ...]
    first_pieces: tuple[int, ...]  # at which piece each word begins
    pieces: int
    heard: int = 0  # pieces that were heard
    lag: int = 0  # frames until the next token can be one of the script's
    cancelled: bool = False

    @property
    def spoken(self) -> int:
        """Words whose first piece was heard."""
        return sum(self.heard > first for first in self.first_pieces)

    @property
    def ended(self) -> bool:
        """Whether nothing more of it will come."""
        return self.cancelled or self.heard >= self.pieces

    def follow(self, silent: bool) -> None:
        """Take note of a frame that was heard, ``silent`` if it had no text."""
        if self.lag > 0:
            self.lag -= 1
        elif not silent and not self.ended:
            self.heard += 1


def script_of(text: str, tokenizer: TextTokenizer) -> tuple[list[int], list[bool]]:
    """Return the pieces of a text and whether each begins a word.

    Raises ValueError for a text without words, or one that the tokenizer has no pieces for.
    """
    pieces = tokenizer.encode(text)
    if not text.strip() or not pieces:
        raise ValueError("there is no word to say")
    if UNKNOWN in pieces:
        raise ValueError(
            f"{text!r} has characters that the model's tokenizer does not know; write it in words"
        )
    return pieces, [tokenizer.piece(piece).startswith(" ") for piece in pieces]


def saying_of(
    pieces: Sequence[int], begins: Sequence[bool], tokenizer: TextTokenizer, lag: int
) -> Saying:
    """Return the beginning of a saying."""
    firsts = [number for number, first in enumerate(begins) if first]
    ends = [*firsts[1:], len(pieces)]
    words = (
        "".join(tokenizer.piece(piece) for piece in pieces[first:end])
        for first, end in zip(firsts, ends, strict=True)
    )
    return Saying(tuple(word.strip() for word in words), tuple(firsts), len(pieces), lag=lag)
