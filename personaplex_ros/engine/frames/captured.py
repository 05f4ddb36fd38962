"""Frames on a GPU as CUDA graphs: the host starts one, and waits for one copy back.

A graph has a fixed number of rows, so there is one for the first 1, 2, 4, ... slots; a frame takes
the smallest that holds all conversations that take part. Everything that differs between frames
lies in buffers: pinned ones on the host, from which the graph copies, and to which it copies back.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from personaplex_ros.engine.frames.clock import part_times
from personaplex_ros.engine.frames.frame import (
    PARTS,
    FrameInput,
    FrameModels,
    FrameOutput,
    SlotStates,
    run_frame,
)
from personaplex_ros.lm import Sampler
from personaplex_ros.nn.state import first_rows

WARM_UPS = 2  # runs before a capture: kernels are compiled, libraries take their workspaces
TIMED = 8  # runs from which a graph's time is taken


@dataclass(frozen=True)
class Inputs:
    """What goes into a frame of all slots, on one side."""

    wave: Tensor  # float32 [S, 1, frame_size]
    active: Tensor  # bool [S]
    speaking: Tensor  # bool [S]

    @staticmethod
    def on(device: torch.device | None, slots: int, frame_size: int) -> Inputs:
        """Return zeros on a device, or pinned on the host."""
        flags = (_zeros(device, slots, dtype=torch.bool) for _ in range(2))
        return Inputs(_zeros(device, slots, 1, frame_size), *flags)


@dataclass(frozen=True)
class Graph:
    """A captured frame and the marks between its parts."""

    graph: torch.cuda.CUDAGraph
    marks: list[torch.cuda.Event]


class CapturedFrames:
    """Runs frames of ``PlainFrames`` as graphs; ``warm_up`` makes them."""

    def __init__(self, models: FrameModels, states: SlotStates, sampler: Sampler):
        self._models, self._states, self._sampler = models, states, sampler
        lm, slots = models.lm, len(states.lm.columns)
        size = models.codec.config.frame_size
        self._host = Inputs.on(None, slots, size)
        self._device = Inputs.on(lm.text_emb.weight.device, slots, size)
        self._audio = _zeros(None, slots, 1, size)
        self._tokens = _zeros(None, slots, 1 + lm.config.codebooks, dtype=torch.int64)
        self._finite = _zeros(None, slots, len(PARTS), dtype=torch.bool)
        self._heard = None if models.listening is None else _zeros(None, slots, dtype=torch.int64)
        self._sizes = row_counts(slots)
        self._graphs: dict[int, Graph] = {}
        self._pool = torch.cuda.graph_pool_handle()
        self._moves = sampler.moves

    @torch.inference_mode()
    def warm_up(self) -> dict[int, float]:
        """Capture all graphs; return the seconds that each takes with every context full."""
        times = {}
        for rows in self._sizes:
            self._capture(rows)
            positions = self._positions(rows)
            for position, full in positions:
                position.fill_(full)
            times[rows] = max(self._replay(rows) for _ in range(TIMED))
            for position, _ in positions:
                position.zero_()
        return times

    def run(self, frames: Mapping[int, np.ndarray], speaking: list[int]) -> FrameOutput:
        """Run a frame float32 [frame_size] of each given slot; ``speaking`` are those heard."""
        host = self._host
        host.active.zero_()
        host.speaking.zero_()
        for slot, frame in frames.items():
            host.wave[slot, 0] = torch.from_numpy(frame)
            host.active[slot] = True
        host.speaking[speaking] = True
        rows = self.rows_of(max(frames))
        if self._moves != self._sampler.moves:  # a larger top-k than any before moved the noise
            self._graphs.clear()
            self._moves = self._sampler.moves
        if rows not in self._graphs:
            self._capture(rows)
        self._replay(rows)
        timing = part_times(self._graphs[rows].marks)
        # Copies: the next frame writes into the same memory.
        spoken = (self._audio[:, 0], self._tokens, self._finite)
        audio, tokens, finite = (tensor.numpy().copy() for tensor in spoken)
        heard = None if self._heard is None else self._heard.numpy().copy()
        return FrameOutput(audio, tokens, finite, timing, heard)

    def rows_of(self, slot: int) -> int:
        """Return how many rows a frame has in which ``slot`` is the last to take part."""
        return next(size for size in self._sizes if size > slot)

    def _replay(self, rows: int) -> float:
        started = time.perf_counter()
        self._graphs[rows].graph.replay()
        torch.cuda.current_stream().synchronize()
        return time.perf_counter() - started

    def _capture(self, rows: int) -> None:
        active = self._host.active.clone()
        self._host.active.zero_()  # nothing advances while graphs are made
        for _ in range(WARM_UPS):
            self._frame(rows, [])
        torch.cuda.current_stream().synchronize()
        graph = torch.cuda.CUDAGraph()
        marks: list[torch.cuda.Event] = []
        stream = torch.cuda.current_stream()
        with torch.cuda.graph(
            graph, pool=self._pool, stream=stream, capture_error_mode="thread_local"
        ):
            self._frame(rows, marks)
        self._graphs[rows] = Graph(graph, marks)
        self._host.active.copy_(active)

    def _frame(self, rows: int, marks: list[torch.cuda.Event]) -> None:
        """Run a frame of the first ``rows`` slots, between copies from and to the host."""
        host, device = self._host, self._device

        def mark() -> None:
            marks.append(torch.cuda.Event(enable_timing=True, external=True))
            marks[-1].record()

        mark()
        for name in ("wave", "active", "speaking"):
            target, source = getattr(device, name), getattr(host, name)
            target[:rows].copy_(source[:rows], non_blocking=True)
        self._sampler.upload(rows)
        states = SlotStates(
            self._states.lm.first(rows),
            self._states.hearing.first(rows),
            self._states.speaking.first(rows),
            first_rows(self._states.script, rows),
        )
        given = FrameInput(
            device.wave[:rows],
            device.active[:rows],
            device.speaking[:rows],
            first_rows(self._sampler.text, rows),
            first_rows(self._sampler.audio, rows),
            states.script,
        )
        results = run_frame(self._models, states, given, False, mark)
        for back, result in zip(
            (self._audio, self._tokens, self._finite, self._heard), results, strict=True
        ):
            if back is not None and result is not None:
                back[:rows].copy_(result, non_blocking=True)
        mark()

    def _positions(self, rows: int) -> list[tuple[Tensor, int]]:
        """Return the positions of the first rows, each with one at which its ring is full."""
        states, context = self._states, self._models.codec.config.context
        return [
            (states.lm.position[:rows], self._models.lm.config.context),
            (states.hearing.transformer.position[:rows], 2 * context),
            (states.speaking.transformer.position[:rows], 2 * context),
        ]


def row_counts(slots: int) -> list[int]:
    """Return the numbers of rows for which there are graphs: powers of two, and all slots."""
    sizes = [1 << k for k in range(slots.bit_length()) if 1 << k < slots]
    return [*sizes, slots]


def _zeros(device: torch.device | None, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return zeros on a device, or pinned on the host."""
    return torch.zeros(*shape, dtype=dtype, device=device, pin_memory=device is None)
