"""What a step of one conversation returns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class StepTiming:
    """Where the time of one step went, in seconds."""

    encode: float
    temporal: float
    depth: float
    decode: float
    total: float


@dataclass(frozen=True)
class StepResult:
    """What the agent says in one frame.

    The model answers a frame late: step ``index`` returns the agent's frame ``index - 1``, and
    the first step returns the last frame of the prompt.
    """

    index: int  # steps since the conversation began
    audio: np.ndarray  # float32 [frame_size]
    token: int  # text id of the frame
    piece: str  # its text, a leading space begins a word; empty when silent
    silent: str  # "PAD" or "EPAD" when silent, else empty
    codes: np.ndarray  # int64 [codebooks], the frame of speech as codes
    timing: StepTiming
    heard: str = ""  # word of the person that has just ended, where the engine writes them down
