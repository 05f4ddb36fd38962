"""One frame of all slots on the device: encode, temporal step, depth steps, decode."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from personaplex_ros.conversing.step import StepTiming
from personaplex_ros.engine.frames.clock import StepClock
from personaplex_ros.lm import LanguageModel, LMState, Sampler, Script
from personaplex_ros.lm.grid import GridShape
from personaplex_ros.lm.listening import ListeningHead
from personaplex_ros.lm.sampling import Draw
from personaplex_ros.mimi import DecoderState, EncoderState, Mimi

PARTS = ("encode", "temporal", "depth", "decode")
"""What a frame goes through, in ``StepTiming``'s names."""


@dataclass(frozen=True, eq=False)
class FrameModels:
    """What frames are run with; ``listening`` where the person's words are wanted."""

    lm: LanguageModel
    codec: Mimi
    shape: GridShape
    listening: ListeningHead | None = None


@dataclass
class SlotStates:
    """The streaming state of the conversations in all slots, a row each."""

    lm: LMState
    hearing: EncoderState
    speaking: DecoderState
    script: Script

    def restart_codec(self, row: int) -> None:
        """Let row ``row`` hear and speak from the beginning."""
        self.hearing.restart(row)
        self.speaking.restart(row)


@dataclass
class FrameInput:
    """What a frame of B rows needs besides their state.

    ``active`` marks the rows that take part (None: all), ``speaking`` those of them that are heard.
    ``script`` is None where nobody is given anything to say.
    """

    wave: Tensor  # float32 [B, 1, frame_size]
    active: Tensor | None  # bool [B]
    speaking: Tensor | None  # bool [B]
    text: Draw
    audio: Draw
    script: Script | None


@dataclass(frozen=True)
class FrameOutput:
    """A frame of all slots on the host."""

    audio: np.ndarray  # float32 [B, frame_size]
    tokens: np.ndarray  # int64 [B, 1 + codebooks], text first
    finite: np.ndarray  # bool [B, parts], whether the numbers of each of ``PARTS`` are
    timing: StepTiming
    heard: np.ndarray | None  # int64 [B], what the listening head chose, where there is one


def run_frame(
    models: FrameModels,
    states: SlotStates,
    given: FrameInput,
    even: bool,
    mark: Callable[[], None],
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """Return speech float32 [B, 1, frame_size] and tokens int64 [B, 1 + codebooks] of a frame.

    The third, bool [B, parts], tells whether the numbers of each of ``PARTS`` are finite, the last,
    int64 [B], what a listening head chose.
    ``even`` says that all rows are at the same column; ``mark`` is called after each part but the
    last. Asks the device for nothing, so it can be captured.
    """
    lm, codec, shape, listening = models.lm, models.codec, models.shape, models.listening
    latents = codec.latents(given.wave, states.hearing, given.active)
    heard = codec.quantizer.encode(latents, lm.config.codebooks)
    mark()
    hidden = lm.temporal_step(states.lm, heard[..., 0], shape, even)
    word = None if listening is None else listening.choose(hidden)
    mark()
    draws = (given.text, given.audio)
    tokens = lm.depth_step(states.lm, hidden, shape, *draws, given.active, given.script)
    mark()
    codes = tokens[:, 1:, None]
    if given.speaking is not None:
        codes = codes.clamp(0, lm.config.cardinality - 1) * given.speaking.view(-1, 1, 1)
    audio = codec.decode(codes, states.speaking, given.speaking)
    if given.speaking is not None:
        audio = audio * given.speaking.view(-1, 1, 1)
    # A sum is finite only if all of it is; the largest logits are kept by the draws.
    sums = (latents.sum((1, 2)), given.text.peak.sum(1), given.audio.peak.sum(1), audio.sum((1, 2)))
    return audio, tokens, torch.stack(sums, 1).isfinite(), word


class PlainFrames:
    """Runs frames operation by operation, on any device."""

    def __init__(self, models: FrameModels, states: SlotStates, sampler: Sampler):
        self._models, self._states, self._sampler = models, states, sampler
        self._device = models.lm.text_emb.weight.device
        slots = len(states.lm.columns)
        self._wave = torch.zeros(slots, 1, models.codec.config.frame_size, device=self._device)

    def run(self, frames: Mapping[int, np.ndarray], speaking: list[int]) -> FrameOutput:
        """Run a frame float32 [frame_size] of each given slot; ``speaking`` are those heard."""
        for slot, frame in frames.items():
            self._wave[slot, 0] = torch.from_numpy(frame)
        active, heard = self._mask(list(frames)), self._mask(speaking)
        sampler, columns = self._sampler, self._states.lm.columns
        sampler.upload()
        script = self._states.script if self._states.script.given else None
        given = FrameInput(self._wave, active, heard, sampler.text, sampler.audio, script)
        clock = StepClock(self._device)
        even = len(set(columns)) == 1
        audio, *small, word = run_frame(self._models, self._states, given, even, clock.mark)
        host_audio = audio[:, 0].cpu().numpy()
        tokens, finite = (tensor.cpu().numpy() for tensor in small)
        words = None if word is None else word.cpu().numpy()
        clock.mark()
        return FrameOutput(host_audio, tokens, finite, clock.timing(), words)

    def rows_of(self, slot: int) -> int:
        """Return how many rows a frame has in which ``slot`` takes part."""
        return len(self._wave)

    def _mask(self, rows: list[int]) -> Tensor | None:
        slots = len(self._wave)
        if len(rows) == slots:
            return None
        mask = torch.zeros(slots, dtype=torch.bool)
        mask[rows] = True
        return mask.to(self._device)
