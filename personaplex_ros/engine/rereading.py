"""Beginning the context anew within a conversation: the prompt, then what was last said and heard.

Before a row's ring is full, its prompt and its last columns are read again, a few with every frame,
into a state beside it. When that has caught up, it takes the row's place between two frames. So the
model never looks back further than its context, no frame takes much longer than others, and the
robot goes on in the middle of what it was doing; what was said earlier it no longer knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from personaplex_ros.engine.prepared import PreparedPersona
from personaplex_ros.lm import LanguageModel, LMState
from personaplex_ros.lm.grid import get_column

SHARE = 0.25  # of the room behind the prompt, that is read again
AT_ONCE = 16  # columns that are read again with a frame
PAUSE = 12  # frames without a word, in which it is best done
PATIENCE = 125  # frames before the last possible one, from which a pause is waited for


@dataclass
class _Row:
    """What is remembered of one conversation."""

    prepared: PreparedPersona
    kept: int  # columns that are read again
    due: int  # columns from which a pause will do
    latest: int  # columns at which it must begin
    heard: int = 0  # columns since the beginning; column c is remembered at c mod kept
    quiet: int = 0  # frames without a word
    beside: LMState | None = None  # the state that is to take the row's place
    reread: int = 0  # of ``heard``, how far that has come


class Rereading:
    """Follows the rows of a language model's state and begins their contexts anew."""

    def __init__(self, lm: LanguageModel, state: LMState):
        self._lm, self._state = lm, state
        self._shape = lm.grid_shape()
        if self._shape.longest_delay < 1:
            raise ValueError(
                "long_conversation is 'fresh', but this model has no delays; use pin or roll"
            )
        self._window = state.caches[0].keys.shape[2]
        shape = (len(state.columns), self._window, lm.config.rows)
        self._columns = torch.zeros(shape, dtype=torch.int64, device=state.position.device)
        self._rows: dict[int, _Row] = {}

    def begin(self, row: int, prepared: PreparedPersona) -> None:
        """Take note that row ``row`` begins as a persona."""
        self._rows.pop(row, None)
        room = self._window - prepared.state.columns[0]
        kept = int(SHARE * room)
        if kept < 1:  # no more than the prompt fits
            return
        latest = self._window - kept // (AT_ONCE - 1) - 2
        due = latest - min(PATIENCE, room // 4)
        self._rows[row] = _Row(prepared, kept, due, latest)

    def forget(self, row: int) -> None:
        """Take note that row ``row`` is over."""
        self._rows.pop(row, None)

    def follow(self, silent: Mapping[int, bool]) -> None:
        """Take note of a frame of these rows, in which each said a word or was silent."""
        state = self._state
        read = get_column(state.grid, self._shape, state.position - 1)
        for number, is_silent in silent.items():
            row = self._rows.get(number)
            if row is None:
                continue
            self._columns[number, row.heard % row.kept] = read[number]
            row.heard += 1
            row.quiet = row.quiet + 1 if is_silent else 0
            columns = state.columns[number]
            if row.beside is not None:
                self._go_on(number, row, row.beside)
            elif columns >= row.latest or (columns >= row.due and row.quiet >= PAUSE):
                self._start(row)

    def _start(self, row: _Row) -> None:
        prompt = row.prepared.state.columns[0]
        room = prompt + row.kept + row.kept // (AT_ONCE - 1) + AT_ONCE
        row.beside = self._lm.initial_state(1, room)
        row.prepared.start(row.beside, 0)
        row.reread = max(0, row.heard - row.kept)

    def _go_on(self, number: int, row: _Row, beside: LMState) -> None:
        """Read some columns again; when none is left, put the new state in the row's place."""
        # The oldest that are still due are overwritten by those that come now: they are left out.
        row.reread = max(row.reread, row.heard - row.kept)
        until = min(row.heard, row.reread + AT_ONCE)
        places = [column % row.kept for column in range(row.reread, until)]
        embedded = self._lm.embed(self._columns[number, places][None])
        self._lm.prefill(beside, embedded)
        row.reread = until
        if until == row.heard:
            self._replace(number, beside)
            row.beside = None

    def _replace(self, number: int, beside: LMState) -> None:
        """Give a row another state's past; what it is about to read stays, at the new column."""
        state = self._state
        for source, target in zip(beside.caches, state.caches, strict=True):
            count = beside.columns[0]
            target.keys[number, :, :count] = source.keys[0, :, :count]
            target.values[number, :, :count] = source.values[0, :, :count]
        moved = beside.columns[0] - state.columns[number]
        grid: Tensor = state.grid[number]
        state.grid[number] = grid.roll(moved % self._shape.width, dims=-1)
        state.position[number] = state.columns[number] = beside.columns[0]
