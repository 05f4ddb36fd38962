"""How intelligible callers remain when they have passed the codec."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from personaplex_ros.mimi import Mimi
from personaplex_ros.optional import require
from personaplex_ros.training.chance import pick
from personaplex_ros.training.voices.speakers import random_caller
from personaplex_ros.training.voices.speech import RATE, speak
from personaplex_ros.training.voices.speech_bank import at_level
from personaplex_ros.training.world import World

LEAD_S = 1.0  # of silence, in which the codec settles
WORDINGS = 2  # an utterance; a single one may be too short for the measure


def held_out_utterance(world: World, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return wordings kept from training, said by a caller kept from it: float32 [n] at 24 kHz."""
    caller = random_caller(rng, held_out=True)
    wordings = [w for intent in world.intents.values() for w in intent.held_out]
    text = " ".join(pick(wordings, rng) for _ in range(WORDINGS))
    return at_level(speak(text, caller).samples)


@torch.inference_mode()
def resynthesise(codec: Mimi, codebooks: int, samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Encode and decode speech [n] as one stream after silence; returns [n], in step with it."""
    lead, size = round(LEAD_S * RATE), codec.config.frame_size
    weight = next(codec.parameters())
    count = -(-(lead + len(samples)) // size)
    wave = weight.new_zeros(1, 1, count * size)
    wave[0, 0, lead : lead + len(samples)] = torch.from_numpy(samples)
    codes = codec.encode(wave, codec.encoder_state(1), codebooks)
    heard = codec.decode(codes, codec.decoder_state(1))[0, 0]
    whole: NDArray[np.float32] = heard.float().cpu().numpy()
    return whole[lead : lead + len(samples)]


def intelligibility(clean: NDArray[np.float32], heard: NDArray[np.float32]) -> float:
    """Return short-time objective intelligibility (Taal et al. 2011) of speech [n] at 24 kHz."""
    return float(require("pystoi").stoi(clean, heard, RATE, extended=False))
