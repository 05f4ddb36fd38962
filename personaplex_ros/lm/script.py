"""Sentences that are given to the agent: their words are fixed, the model chooses when they come.

Where the model would begin a word of its own, the next word of the script takes its place; the
pieces of a word follow each other frame by frame, as in training. A model that keeps silent for
``PATIENCE`` frames is made to begin, one that is to listen can be kept silent. All of it happens on
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
PATIENCE = 8  # frames, 0.64 s
QUIET = 12  # frames of silence after a script that was broken off, 0.96 s


@dataclass
class Script:
    """What B conversations are to say.

    ``pieces`` int64 [B, LONGEST + 1], -1 behind the last; ``begins`` bool, whether a piece begins a
    word; ``next`` int64 [B] counts the pieces that were said, ``waited`` the frames since the last;
    ``quiet`` the frames in which no new word begins, after a script that was broken off; ``kept``
    those for which the row has been kept silent, 0 where it is not.
    ``given`` are the rows in which something of this can happen, known to the host.
    """

    pieces: Tensor
    begins: Tensor
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
            torch.ones(batch, LONGEST + 1, dtype=torch.bool, device=device),
            torch.zeros(batch, dtype=torch.int64, device=device),
            torch.zeros(batch, dtype=torch.int64, device=device),
            torch.zeros(batch, dtype=torch.int64, device=device),
            torch.zeros(batch, dtype=torch.int64, device=device),
        )

    def write(self, row: int, pieces: Sequence[int], begins: Sequence[bool]) -> None:
        """Give row ``row`` another script, empty to leave all to the model.

        Raises ValueError if it is longer than ``LONGEST``.
        """
        count = len(pieces)
        expect_room(count)
        self.pieces[row].fill_(-1)
        self.pieces[row, :count] = torch.tensor(pieces, dtype=torch.int64)
        self.begins[row, :count] = torch.tensor(begins, dtype=torch.bool)
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
        later = self.begins[row] & (places >= self.next[row])
        self.pieces[row].masked_fill_(later.cumsum(0) > 0, -1)
        self.quiet[row] = QUIET

    def replace(self, token: Tensor, active: Tensor | None, config: LMConfig) -> Tensor:
        """Return what is said instead of the model's choice, int64 [B], and go on by a frame."""
        place = self.next[:, None]
        piece = self.pieces.gather(1, place)[:, 0]
        begins = self.begins.gather(1, place)[:, 0]
        speaks = (token != config.text_padding) & (token != config.text_end_padding)
        given = piece >= 0
        said = given & (~begins | speaks | (self.waited > PATIENCE))
        announced = given & ~said & (self.waited == PATIENCE)
        moves = said if active is None else said & active
        self.next += moves
        waits = torch.where(said, 0, self.waited + 1)
        self.waited.copy_(waits if active is None else torch.where(active, waits, self.waited))
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
