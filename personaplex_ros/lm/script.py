"""Sentences that are given to the agent: their words are fixed, the model chooses when they come.

Where the model would begin a word of its own, the next word of the script takes its place; the
pieces of a word follow each other frame by frame, as in training. A model that keeps silent for
``PATIENCE`` frames is made to go on, between sentences for ``BREATH``, since who is made to begin
one too early does not say it well; one that is to listen can be kept silent. All of it happens on
the device: which token was chosen is known to the host only frames later.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from personaplex_ros.lm.config import LMConfig
from personaplex_ros.lm.grid import UNSET, GridShape

LONGEST = 512  # tokens of a script
PATIENCE = 8  # frames before a word, 0.64 s
BREATH = 16  # frames before a sentence that follows another, 1.28 s
QUIET = 12  # frames of silence after a script that was broken off, 0.96 s


@dataclass
class Script:
    """What B conversations are to say.

    ``pieces`` int64 [B, LONGEST + 1], -1 behind the last; ``waits`` int64, frames of silence that
    the model may take before a piece, 0 within a word; ``next`` int64 [B] counts the pieces that
    were said, ``waited`` the frames since the last; ``quiet`` the frames in which no new word
    begins, after a script that was broken off; ``kept`` those for which the row has been kept
    silent, 0 where it is not.
    ``given`` are the rows in which something of this can happen, known to the host.
    """

    pieces: Tensor
    waits: Tensor
    next: Tensor
    waited: Tensor
    quiet: Tensor
    kept: Tensor
    given: set[int] = field(default_factory=set)

    @staticmethod
    def empty(batch: int, device: torch.device | str) -> Script:
        """Return scripts of nothing."""
        return Script(
            torch.full((batch, LONGEST + 1), -1, device=device),
            torch.full((batch, LONGEST + 1), PATIENCE, device=device),
            torch.zeros(batch, dtype=torch.int64, device=device),
            torch.zeros(batch, dtype=torch.int64, device=device),
            torch.zeros(batch, dtype=torch.int64, device=device),
            torch.zeros(batch, dtype=torch.int64, device=device),
        )

    def write(self, row: int, pieces: Sequence[int], waits: Sequence[int]) -> None:
        """Give row ``row`` another script with its ``waits``, empty to leave all to the model.

        Raises ValueError if it is longer than ``LONGEST``.
        """
        count = len(pieces)
        expect_room(count)
        self.pieces[row].fill_(-1)
        self.pieces[row, :count] = torch.tensor(pieces, dtype=torch.int64)
        self.waits[row, :count] = torch.tensor(waits, dtype=torch.int64)
        (self.given.add if pieces else self.given.discard)(row)
        self.next[row] = 0
        self.waited[row] = 0
        self.quiet[row] = 0
        self.kept[row] = 0

    def keep_silent(self, row: int) -> None:
        """Let row ``row`` say nothing more, from the next frame on until ``write``."""
        self.write(row, [], [])
        self.given.add(row)
        self.kept[row] = 1

    def break_off(self, row: int) -> None:
        """Let row ``row`` end the word that it is in, and then be silent for ``QUIET`` frames.

        Left to itself, the model would end the sentence that it has begun.
        """
        places = torch.arange(LONGEST + 1, device=self.pieces.device)
        later = (self.waits[row] > 0) & (places >= self.next[row])
        self.pieces[row].masked_fill_(later.cumsum(0) > 0, -1)
        self.quiet[row] = QUIET

    def replace(self, token: Tensor, active: Tensor | None, config: LMConfig) -> Tensor:
        """Return what is said instead of the model's choice, int64 [B], and go on by a frame."""
        place = self.next[:, None]
        piece = self.pieces.gather(1, place)[:, 0]
        waits = self.waits.gather(1, place)[:, 0]
        speaks = (token != config.text_padding) & (token != config.text_end_padding)
        given = piece >= 0
        said = given & ((waits == 0) | speaks | (self.waited > waits))
        announced = given & ~said & (self.waited == waits)
        moves = said if active is None else said & active
        self.next += moves
        waited = torch.where(said, 0, self.waited + 1)
        self.waited.copy_(waited if active is None else torch.where(active, waited, self.waited))
        hushed = ~given & (self.quiet > 0)
        self.quiet.sub_((hushed if active is None else hushed & active).long())
        token = torch.where(hushed | (self.kept > 0), config.text_padding, token)
        token = torch.where(announced, config.text_end_padding, token)
        return torch.where(said, piece, token)

    def silence(self, forced: Tensor, shape: GridShape, active: Tensor | None) -> Tensor:
        """Return a column's forced tokens, int64 [B, rows], and go on by a frame.

        Where conversations are kept silent, the codes of silence are among them. A frame of which
        some codes are chosen already is ended as it is: each row is silent after its delay.
        """
        ended = self.kept[:, None] > shape.delays
        kept = self.kept > 0
        self.kept.add_(kept if active is None else kept & active)
        return torch.where(ended & (forced == UNSET), shape.silence, forced)


def expect_room(tokens: int) -> None:
    """Raise ValueError if a script cannot hold so many tokens."""
    if tokens > LONGEST:
        raise ValueError(f"a text of {tokens} tokens; at most {LONGEST} can be said at once")
