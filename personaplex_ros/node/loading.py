"""From the node's parameters to an engine and its settings."""

from __future__ import annotations

import gc
import sys

from personaplex_ros.audio import IntakeLimits
from personaplex_ros.conversing import AnyEngine, Sampling
from personaplex_ros.node.parameters.table import Parameters
from personaplex_ros.optional import missing_package


def load_engine(parameters: Parameters, slots: int = 1) -> AnyEngine:
    """Load the checkpoint the parameters name, with room for so many robots.

    Raises what ``Engine.load`` raises, with the file and the remedy, and ImportError without torch.
    """
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
    )


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


def keep_from_collector() -> None:
    """Exempt all that is loaded now from garbage collection.

    A full pass over the objects of torch and a model takes tens of milliseconds, in the middle of
    a frame.
    """
    gc.collect()
    gc.freeze()


def release_memory() -> None:
    """Give back what engines that nobody uses any more still hold, also to other processes."""
    gc.unfreeze()
    gc.collect()
    torch = sys.modules.get("torch")  # nothing of it is held where nobody imported it
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
