"""The text tokenizer: SentencePiece pieces, one a frame."""

from __future__ import annotations

from pathlib import Path

import sentencepiece

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
            raise ValueError(f"{path} is not a SentencePiece model: {error}") from error
        self.size = int(self._model.get_piece_size())
        if cardinality not in (None, self.size):
            raise ValueError(
                f"{path} has {self.size} pieces, the language model has {cardinality}; they do not "
                "belong together"
            )

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text."""
        return list(self._model.encode(text))

    def piece(self, token: int) -> str:
        """Return the text of one id; a space begins it where it begins a word."""
        return str(self._model.id_to_piece(token)).replace(WORD_BEGIN, " ")
