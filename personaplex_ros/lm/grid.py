"""The token grid: rows of tokens, one column a frame, each row shifted by its delay.

Frame f of a stream is cell [row, f + delay(row)]. Every column up to and including the delay of
a row holds the row's initial token. Of each conversation only the columns around the newest are
kept, in a ring: column c at index c mod width.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from personaplex_ros.lm.config import LMConfig

UNSET = -2  # a cell that nobody supplied; -1 is the token that embeds to zeros


@dataclass(frozen=True)
class GridShape:
    """What the grid needs of the model, as tensors on its device.

    Beside the column that is being chosen, the ring holds those from which the newest complete
    frame is taken, and those into which the next frame is put: as many as the longest delay on
    either side, and one more.
    """

    delays: Tensor  # int64 [rows]
    initial: Tensor  # int64 [rows]
    silence: Tensor  # int64 [rows], the agent's codes of a silent frame, else UNSET
    longest_delay: int
    width: int  # columns that are kept

    @staticmethod
    def of(config: LMConfig, device: torch.device | str) -> GridShape:
        """Return the shape for a model."""
        longest = max(config.delays)
        silence = [UNSET, *config.silence_codes, *[UNSET] * config.codebooks]
        return GridShape(
            torch.tensor(config.delays, device=device),
            torch.tensor(config.initial_tokens, device=device),
            torch.tensor(silence, device=device),
            longest,
            2 * longest + 2,
        )


def empty_grid(batch: int, shape: GridShape) -> Tensor:
    """Return the grid of ``batch`` conversations before their first frame: [B, rows, width]."""
    rows = shape.delays.shape[0]
    return torch.full((batch, rows, shape.width), UNSET, device=shape.delays.device)


def put_frame(grid: Tensor, shape: GridShape, row: int, frame: Tensor, number: Tensor) -> None:
    """Force frame ``number`` [B] of the streams in rows ``row``...: frame is int64 [B, n]."""
    rows = slice(row, row + frame.shape[1])
    column = (number[:, None] + shape.delays[rows]) % shape.width
    grid[:, rows].scatter_(2, column[..., None], frame[..., None])


def get_frame(grid: Tensor, shape: GridShape, rows: int, number: Tensor) -> Tensor:
    """Return frame ``number`` [B] of the first ``rows`` rows: int64 [B, rows]."""
    column = (number[:, None] + shape.delays[:rows]) % shape.width
    return grid[:, :rows].gather(2, column[..., None])[..., 0]


def get_column(grid: Tensor, shape: GridShape, number: Tensor) -> Tensor:
    """Return column ``number`` [B], UNSET where nothing is forced: int64 [B, rows]."""
    index = (number % shape.width).view(-1, 1, 1).expand(-1, grid.shape[1], 1)
    tokens = grid.gather(2, index)[..., 0]
    return torch.where(number[:, None] <= shape.delays, shape.initial, tokens)


def put_column(
    grid: Tensor, shape: GridShape, number: Tensor, tokens: Tensor | int, active: Tensor | None
) -> None:
    """Set column ``number`` [B] in the first rows to ``tokens`` int64 [B, n], or all to one id."""
    rows = grid.shape[1] if isinstance(tokens, int) else tokens.shape[1]
    index = (number % shape.width).view(-1, 1, 1).expand(-1, rows, 1)
    part = grid[:, :rows]
    new = torch.full_like(index, tokens) if isinstance(tokens, int) else tokens[..., None]
    if active is not None:
        new = torch.where(active.view(-1, 1, 1), new, part.gather(2, index))
    part.scatter_(2, index, new)


def lay_out(frames: Tensor, config: LMConfig) -> Tensor:
    """Shift whole streams into columns: frames int64 [rows, F] -> columns [rows, F + max delay].

    Cells beyond the last supplied frame of a row are UNSET.
    """
    rows, count = frames.shape
    columns = frames.new_full((rows, count + max(config.delays)), UNSET)
    for row, (delay, initial) in enumerate(zip(config.delays, config.initial_tokens, strict=True)):
        columns[row, delay : delay + count] = frames[row]
        columns[row, : delay + 1] = initial
    return columns
