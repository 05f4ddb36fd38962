"""From the node's parameters to an engine and its settings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from personaplex_ros.audio import IntakeLimits, read_wave, resample, to_mono
from personaplex_ros.conversing import AnyEngine, Sampling
from personaplex_ros.node.parameters.table import Parameters
from personaplex_ros.optional import missing_package

LONGEST_SOUND_S = 15.0
"""Of what is played when a model is lost."""


def load_engine(parameters: Parameters, slots: int = 1) -> AnyEngine:
    """Load the checkpoint the parameters name, with room for so many robots; or tie to a server.

    Raises what ``Engine.load`` raises, with the file and the remedy, and ImportError without torch.
    """
    if parameters.engine:
        return _tether(parameters)
    try:
        from personaplex_ros.engine import Engine  # torch, which not every robot has
    except ImportError as error:
        raise ImportError(f"no model can run here: {missing_package(error)}") from error

    return Engine.load(
        parameters.checkpoint,
        device=parameters.device,
        dtype=None if parameters.dtype == "auto" else parameters.dtype,
        weights=None if parameters.weights == "auto" else parameters.weights,
        slots=slots,
        long_conversation=parameters.long_conversation,
        listens=parameters.user_transcript,
    )


def _tether(parameters: Parameters) -> AnyEngine:
    """Return the server that `engine` names; raises ValueError for parameters that do not fit."""
    try:
        from personaplex_ros.tether import Tether, TetherEngine, read_address  # not every node's
    except ImportError as error:
        raise ImportError(
            f"a model elsewhere (engine) needs {error.name}: `pip install -r "
            "requirements-tether.txt`, or `pip install 'personaplex_ros[tether]'`"
        ) from error
    if parameters.user_transcript:
        raise ValueError(
            "user_transcript cannot be had with a model elsewhere (engine): servers do not tell "
            "what the person says; leave user_transcript off"
        )
    address = read_address(
        parameters.engine, parameters.tether_token_file, parameters.tether_ca_file
    )
    sound = _announcement(parameters.tether_lost_sound, TetherEngine.sample_rate)
    tether = Tether(parameters.tether_delay_max_s, parameters.tether_lost_after_s, sound)
    return TetherEngine(address, tether)


def _announcement(file: str, rate: int) -> NDArray[np.float32] | None:
    if not file:
        return None
    try:
        wave = read_wave(Path(file).expanduser())
    except (OSError, ValueError) as error:
        raise ValueError(f"tether_lost_sound cannot be played: {error}") from error
    if len(wave.samples) > LONGEST_SOUND_S * wave.rate:
        raise ValueError(
            f"tether_lost_sound {file} is {len(wave.samples) / wave.rate:.0f} s long; at most "
            f"{LONGEST_SOUND_S:g} s are played"
        )
    return resample(to_mono(wave.samples), wave.rate, rate).astype(np.float32)


def sampling_of(parameters: Parameters) -> Sampling:
    """Return how the parameters want tokens to be chosen."""
    return Sampling(
        text_temperature=parameters.text_temperature,
        text_top_k=parameters.text_top_k,
        audio_temperature=parameters.audio_temperature,
        audio_top_k=parameters.audio_top_k,
        greedy=parameters.greedy,
    )


def intake_limits(parameters: Parameters) -> IntakeLimits:
    """Return how much of the microphone's audio may be missing or wait."""
    return IntakeLimits(
        max_gap_fill_s=parameters.max_gap_fill_s,
        network_delay_max_s=parameters.network_delay_max_s,
        conceal=parameters.lost_audio == "conceal",
        source_timeout_s=parameters.source_timeout_s,
        max_backlog_frames=parameters.max_backlog_frames,
    )
