"""The time of real frames, for checkpoints that are loaded in a moment.

Threads, weights and everything else are then those of a conversation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from personaplex_ros.checkpoint import CheckpointFiles, stored_bytes
from personaplex_ros.engine import Engine, Persona
from personaplex_ros.engine.frames.frame import PARTS
from personaplex_ros.engine.loading import SMALL_BYTES

FRAMES = 100
WARM_UP = 10  # frames that are not counted
LOUDNESS = 0.05  # of the noise that is heard; silence is no cheaper


@dataclass(frozen=True)
class MeasuredFrames:
    """Seconds of a frame: medians of its parts and of all of it; what 99 of 100 stay under."""

    parts: dict[str, float]
    median: float
    p99: float


def measured_frames(checkpoint: str, device: torch.device) -> MeasuredFrames | None:
    """Hold a conversation of a few seconds; None if the checkpoint is absent, broken or large.

    torch's number of threads is afterwards what it was.
    """
    threads = torch.get_num_threads()
    try:
        files = CheckpointFiles.find(checkpoint)
        if stored_bytes(files.model) >= SMALL_BYTES:
            return None
        engine = Engine.load(files, device=str(device))
    except (FileNotFoundError, ValueError):
        return None  # said by the checkpoint's own line
    try:
        return _measure(engine)
    finally:
        torch.set_num_threads(threads)


def _measure(engine: Engine) -> MeasuredFrames:
    rng = np.random.default_rng(0)
    session = engine.open(Persona("doctor"))
    noise = LOUDNESS * rng.standard_normal((WARM_UP + FRAMES, engine.frame_size))
    timings = [session.push(frame).timing for frame in noise.astype(np.float32)][WARM_UP:]
    parts = {
        part: float(np.median([getattr(timing, part) for timing in timings])) for part in PARTS
    }
    totals = [timing.total for timing in timings]
    return MeasuredFrames(parts, float(np.median(totals)), float(np.percentile(totals, 99)))
