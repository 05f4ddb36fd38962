"""The language model: temporal and depth transformer over the token grid (Moshi, section 3.4)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from personaplex_ros.lm.config import LMConfig
from personaplex_ros.lm.depth import DepthTransformer
from personaplex_ros.lm.grid import (
    UNSET,
    GridShape,
    empty_grid,
    get_column,
    get_frame,
    put_column,
    put_frame,
)
from personaplex_ros.lm.sampling import Draw, choose
from personaplex_ros.lm.script import Script
from personaplex_ros.lm.temporal import TemporalTransformer, ring_spec
from personaplex_ros.nn.attention import RingCache, RingView
from personaplex_ros.nn.norm import RMSNorm
from personaplex_ros.nn.state import first_rows
from personaplex_ros.nn.typed import ModuleList

LONGEST_PASS = 512  # columns of a prompt that go through the model at once; bounds its memory


@dataclass
class LMState:
    """State of B conversations.

    ``position`` [B] counts the columns that each has read; ``columns`` is the same on the host.
    ``pinned`` [B] are how many of the first columns of each the ring caches keep (see ``nn.pin``),
    ``pins`` is the same on the host; without it all columns are forgotten in their turn.
    """

    caches: list[RingCache]
    position: Tensor
    columns: list[int]
    grid: Tensor  # int64 [B, rows, width]
    depth_past: Tensor
    pinned: Tensor | None
    pins: list[int]

    def first(self, rows: int) -> LMState:
        """Return a view of the first ``rows`` conversations that is right wherever they stand."""
        window = self.caches[0].keys.shape[2]
        return LMState(
            first_rows(self.caches, rows),
            self.position[:rows],
            [window] * rows,
            self.grid[:rows],
            self.depth_past[:, :, :rows],
            first_rows(self.pinned, rows),
            [0 if self.pinned is None else 1] * rows,
        )


class LanguageModel(nn.Module):
    """Predicts the next frame of text and speech from all frames before it.

    Without a dtype the tensors are built as the published file stores them: bfloat16, and float32
    for norms, input and output projections of the depth transformer and the text head.

    ``fused`` says that steps (not prompts) go through the kernels of ``lm.fused``, on a GPU.
    """

    def __init__(
        self,
        config: LMConfig,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ):
        super().__init__()
        self.config = config
        self.fused = False
        body, ends = dtype or torch.bfloat16, dtype or torch.float32
        audio, text = config.cardinality + 1, config.text_cardinality + 1
        dim, depth_dim, steps = config.dim, config.depth_dim, config.depth_steps

        def embedding(size: int, width: int) -> nn.Embedding:
            return nn.Embedding(size, width, device=device, dtype=body)

        def embeddings(count: int, width: int) -> ModuleList[nn.Embedding]:
            return ModuleList([embedding(audio, width) for _ in range(count)])

        def linear(width_in: int, width_out: int) -> nn.Linear:
            return nn.Linear(width_in, width_out, bias=False, device=device, dtype=ends)

        def linears(width_in: int, width_out: int) -> ModuleList[nn.Linear]:
            return ModuleList([linear(width_in, width_out) for _ in range(steps)])

        self.emb = embeddings(config.audio_rows, dim)
        self.text_emb = embedding(text, dim)
        self.transformer = TemporalTransformer(config, device, body)
        self.out_norm = RMSNorm(dim, device)
        self.text_linear = linear(dim, config.text_cardinality)
        self.depformer_in = linears(dim, depth_dim)
        self.depformer_text_emb = embedding(text, depth_dim)
        self.depformer_emb = embeddings(steps - 1, depth_dim)
        self.depformer = DepthTransformer(config, device, body)
        self.linears = linears(depth_dim, config.cardinality)

    def initial_state(
        self, batch: int, positions: int | None = None, pinning: bool = False
    ) -> LMState:
        """Return the state of ``batch`` conversations that have not begun.

        With ``positions`` there is room for so many columns only, as a prompt needs. ``pinning``
        says that first columns may be kept.
        """
        shape = self.grid_shape()
        position = torch.zeros(batch, dtype=torch.int64, device=shape.delays.device)
        return LMState(
            self.transformer.initial_caches(batch, positions),
            position,
            [0] * batch,
            empty_grid(batch, shape),
            self.depformer.initial_past(batch),
            torch.zeros_like(position) if pinning else None,
            [0] * batch,
        )

    def grid_shape(self) -> GridShape:
        """Return the token grid's shape on the model's device."""
        return GridShape.of(self.config, self.text_emb.weight.device)

    def embed(self, tokens: Tensor) -> Tensor:
        """Sum the embeddings of columns int64 [B, T, rows] -> [B, T, D]."""
        present, tokens = tokens >= 0, tokens.clamp(min=0)
        tables = [self.text_emb, *self.emb]  # of rows 0, 1, ...
        embedded = [F.embedding(tokens[..., k], table.weight) for k, table in enumerate(tables)]
        return (torch.stack(embedded, dim=-2) * present.unsqueeze(-1)).sum(-2)

    def prefill(self, state: LMState, embedded: Tensor) -> None:
        """Read T columns [1, T, D] of a state of one row in as few passes as memory allows.

        The caches are then the same as after T single steps.
        """
        for chunk in embedded.split(LONGEST_PASS, dim=1):
            self._temporal(chunk, state, even=True)
            state.position += chunk.shape[1]
            state.columns[0] += chunk.shape[1]

    def temporal_step(self, state: LMState, user: Tensor, shape: GridShape, even: bool) -> Tensor:
        """Read the next column: supply the user's codes int64 [B, codebooks] of the frame after it.

        Returns the normed temporal output [B, D] that predicts that frame's column. ``even`` says
        that all rows are at the same position.
        """
        put_frame(state.grid, shape, 1 + self.config.codebooks, user, state.position + 1)
        x = self.embed(get_column(state.grid, shape, state.position)[:, None])
        if self.fused:
            from personaplex_ros.lm import fused  # needs Triton

            pinned = state.pinned
            y = fused.temporal(self.transformer, x[:, 0], state.caches, state.position, pinned)
        else:
            y = self._temporal(x, state, even)[:, 0]
        return self.out_norm(y)

    def depth_step(
        self,
        state: LMState,
        hidden: Tensor,
        shape: GridShape,
        text: Draw,
        audio: Draw,
        active: Tensor | None,
        script: Script | None = None,
    ) -> Tensor:
        """Choose the next column from ``hidden`` [B, D] and advance by it.

        Where there is a script, its words, or silence, take the place of the model's. Returns the
        newest complete frame of the agent: int64 [B, 1 + codebooks], text first.
        """
        column = state.position + 1
        forced = get_column(state.grid, shape, column)
        token = _forced_or(forced[:, 0], choose(self.text_linear(hidden), text, 0))
        if script is not None:
            token = script.replace(token, active, self.config)
            forced = script.silence(forced, shape, active)
        chosen = [token]
        for step in range(self.config.codebooks):
            token = self._code(hidden, token, step, state.depth_past, audio, forced[:, 1 + step])
            chosen.append(token)
        return self.enter(state, torch.stack(chosen, 1), shape, active)

    def enter(
        self, state: LMState, chosen: Tensor, shape: GridShape, active: Tensor | None
    ) -> Tensor:
        """Make ``chosen`` int64 [B, 1 + codebooks] the next column and advance by it.

        Returns the newest complete frame, as ``depth_step`` does.
        """
        column = state.position + 1
        put_column(state.grid, shape, column, chosen, active)
        frame = get_frame(state.grid, shape, chosen.shape[1], column - shape.longest_delay)
        put_column(state.grid, shape, column - shape.longest_delay - 1, UNSET, active)
        state.position += 1 if active is None else active
        return frame

    def _code(
        self, hidden: Tensor, token: Tensor, step: int, past: Tensor, draw: Draw, forced: Tensor
    ) -> Tensor:
        """Return what is forced upon audio row ``step``, else choose it given the row before."""
        if self.fused:
            from personaplex_ros.lm import fused  # needs Triton

            table = self._depth_table(step)
            enter, head = self.depformer_in[step], self.linears[step]
            return fused.code(
                self.depformer, enter, table, head, hidden, token, step, past, draw, forced
            )
        return _forced_or(forced, choose(self.depth_logits(hidden, token, step, past), draw, step))

    def depth_logits(self, hidden: Tensor, token: Tensor, step: int, past: Tensor) -> Tensor:
        """Return logits [B, cardinality] of audio row ``step`` given the row before it, [B]."""
        x = self.depformer_in[step](hidden) + lookup(self._depth_table(step), token)
        return self.linears[step](self.depformer(x, step, past))

    def _depth_table(self, step: int) -> nn.Embedding:
        return self.depformer_text_emb if step == 0 else self.depformer_emb[step - 1]

    def _temporal(self, x: Tensor, state: LMState, even: bool) -> Tensor:
        longest, spec = max(state.columns), ring_spec(self.config)
        if state.pinned is not None and any(state.pins) and longest >= spec.window:
            even = even and len(set(state.pins)) == 1
            view = RingView.behind(state.pinned, state.position, spec, longest, even)
        else:
            view = RingView.at(state.position, x.shape[1], spec, longest, even)
        return self.transformer(x, state.caches, view)


def lookup(table: nn.Embedding, tokens: Tensor) -> Tensor:
    """Embed tokens; a negative id embeds to zeros."""
    return F.embedding(tokens.clamp(min=0), table.weight) * (tokens >= 0).unsqueeze(-1)


def _forced_or(forced: Tensor, chosen: Tensor) -> Tensor:
    return torch.where(forced == UNSET, chosen, forced)
