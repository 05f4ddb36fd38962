"""The text tokenizer: SentencePiece pieces, one a frame."""

from __future__ import annotations

from pathlib import Path

import sentencepiece

from personaplex_ros.checkpoint.recognition import foreign_file
from personaplex_ros.checkpoint.spelling import Spelled, spell

WORD_BEGIN = "\u2581"  # SentencePiece writes a leading space so


class TextTokenizer:
    """Text <-> ids of the language model.

    Raises ValueError if the file is not a SentencePiece model, or has not the language model's
    ``cardinality`` of pieces, where that is given.
    """

    def __init__(self, path: Path, cardinality: int | None = None):
        try:
            self._model = sentencepiece.SentencePieceProcessor(model_file=str(path))
        except (RuntimeError, OSError) as error:
            kind = foreign_file(path) or "damaged or of another kind"
            raise ValueError(
                f"{path} is not a SentencePiece model, it is {kind}; take the one of the "
                "checkpoint's repository"
            ) from error
        self.size = int(self._model.get_piece_size())
        if cardinality not in (None, self.size):
            raise ValueError(
                f"{path} has {self.size} pieces, the language model has {cardinality}; they do not "
                "belong together"
            )

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text; what has no piece becomes the unknown id."""
        return list(self._model.encode(text))

    def spell(self, text: str) -> Spelled:
        """Return the text in characters that have pieces: unchanged, where all of them have.

        Raises ValueError naming the characters for which nothing else can stand.
        """
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise ValueError(f"the text is not UTF-8 at character {error.start + 1}") from None
        return Spelled(text) if self._knows(text) else spell(text, self._knows)

    def _knows(self, text: str) -> bool:
        return self._model.unk_id() not in self._model.encode(text)

    def piece(self, token: int) -> str:
        """Return the text of one id; a space begins it where it begins a word."""
        return str(self._model.id_to_piece(token)).replace(WORD_BEGIN, " ")
