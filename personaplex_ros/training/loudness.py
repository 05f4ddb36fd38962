"""How loud the robot is: a codec's decoder, scaled at its end so that all else stays as it is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from personaplex_ros.audio.loudness import loudness
from personaplex_ros.mimi import Mimi

ROBOT_LUFS = -23.0  # EBU R 128
NEAR_LU = 0.1  # what is so near is left as it is


@torch.inference_mode()
def spoken(codec: Mimi, sentences: Sequence[NDArray[np.int16]]) -> NDArray[np.float32]:
    """Let a codec say sentences in codes [codebooks, F] one after the other: float32 [n]."""
    codes = torch.from_numpy(np.concatenate(sentences, axis=1)).long()
    wave: NDArray[np.float32] = codec.decode(codes[None], codec.decoder_state(1))[0, 0].numpy()
    return wave


@torch.no_grad()
def speak_at(codec: Mimi, sentences: Sequence[NDArray[np.int16]], lufs: float) -> float:
    """Make a codec say these sentences at an integrated loudness; returns the gain that took.

    Its last layer is linear, so codes, words and voices stay what they are. Raises ValueError where
    nothing is heard.
    """
    more = lufs - loudness(spoken(codec, sentences), codec.config.sample_rate)
    if abs(more) < NEAR_LU:
        return 1.0
    gain = float(10 ** (more / 20))
    for parameter in list(codec.decoder.model)[-1].parameters():
        parameter.mul_(gain)
    return gain
