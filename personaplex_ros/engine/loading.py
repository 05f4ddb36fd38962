"""From a checkpoint to models on a device, their weights stored as it multiplies them best."""

from __future__ import annotations

import importlib.util
import os
import re
from dataclasses import dataclass
from pathlib import Path

import torch

from personaplex_ros.checkpoint import (
    CheckpointFiles,
    TextTokenizer,
    load_codec,
    load_language_model,
    load_listening_head,
    stored_bytes,
    stored_in_half,
)
from personaplex_ros.checkpoint.listening import LISTENING
from personaplex_ros.engine.packing import check_packable, pack, scale
from personaplex_ros.lm import LanguageModel
from personaplex_ros.lm.listening import ListeningHead
from personaplex_ros.mimi import Mimi
from personaplex_ros.nn.packed import available

SMALL_BYTES = 200 << 20  # language models of smaller files run on one thread of a CPU
DEVICES = "auto, cpu, cuda, cuda:1 and so on"
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True)
class Models:
    """What a checkpoint holds, on its device."""

    lm: LanguageModel
    codec: Mimi
    tokenizer: TextTokenizer
    folder: Path  # where its voices are
    listening: ListeningHead | None  # where it is wanted


def load_models(
    checkpoint: str | Path | CheckpointFiles,
    device: torch.device,
    dtype: str | None,
    weights: str | None,
    threads: int | None,
    within_training: bool = False,
    listens: bool = False,
) -> Models:
    """Load a checkpoint; the arguments are those of ``Engine.load``, which says what None means.

    ``within_training`` is ``load_language_model``'s.
    """
    if dtype is None:
        dtype = "bfloat16" if device.type == "cuda" else "float32"
    if weights is not None:
        check_packable(weights, device, dtype)
    if dtype not in DTYPES:
        raise ValueError(f"dtype is {dtype!r}; it must be one of {', '.join(DTYPES)}")
    files = checkpoint
    if not isinstance(files, CheckpointFiles):
        files = CheckpointFiles.find(files)
    head = load_listening_head(files.directory, device) if listens else None
    codec = load_codec(files.mimi, files.mimi_config, device)
    if device.type == "cpu":
        lm = _for_cpu(files, codec, DTYPES[dtype], weights, threads, within_training)
    else:
        place = device if weights is None else "cpu"
        kind = DTYPES[dtype]
        lm = load_language_model(
            files.model, files.config, place, kind, within_training=within_training
        )
        if weights is not None:
            scale(lm, weights, device)
        lm.fused = device.type == "cuda" and importlib.util.find_spec("triton") is not None
    if codec.config.codebooks < lm.config.codebooks:
        raise ValueError(
            f"{files.mimi} has {codec.config.codebooks} codebooks, {files.model} needs "
            f"{lm.config.codebooks}; they do not belong together"
        )
    if codec.config.cardinality != lm.config.cardinality:
        raise ValueError(
            f"{files.mimi} has {codec.config.cardinality} codes a codebook, {files.model} has "
            f"{lm.config.cardinality}; they do not belong together"
        )
    if head is not None and head.in_features != lm.config.dim:
        raise ValueError(
            f"{files.directory / LISTENING} is for a language model of width {head.in_features}, "
            f"{files.model} has {lm.config.dim}; they do not belong together"
        )
    tokenizer = TextTokenizer(files.tokenizer, lm.config.text_cardinality)
    return Models(lm, codec, tokenizer, files.directory, head)


def _for_cpu(
    files: CheckpointFiles,
    codec: Mimi,
    dtype: torch.dtype,
    weights: str | None,
    threads: int | None,
    within_training: bool,
) -> LanguageModel:
    small = stored_bytes(files.model) < SMALL_BYTES
    torch.set_num_threads(threads or (1 if small else os.cpu_count() or 1))
    plain = weights is None and dtype == torch.float32
    if plain and small and available() and stored_in_half(files.model):
        weights = "float16"
    cpu = torch.device("cpu")
    # What is not packed is float32 in the end.
    stored = dtype if weights is None else torch.float32 if small else None
    lm = load_language_model(
        files.model, files.config, cpu, stored, within_training=within_training
    )
    if weights is not None:
        pack(lm, weights)
    if not small:
        pack(codec, "float32")
    elif weights == "float16" and stored_in_half(files.mimi):
        pack(codec, "float16")
    return lm


def choose_device(name: str) -> torch.device:
    """Return a torch device; ``auto`` is CUDA where there is one. Raises ValueError for others."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name in ("cpu", "cpu:0"):
        return torch.device("cpu")
    known = re.fullmatch(r"cuda(?::([0-9]{1,3}))?", name)
    if known is None:
        raise ValueError(f"device {name!r} is not known; devices are {DEVICES}")
    if not torch.cuda.is_available():
        raise ValueError(f"device {name!r} was asked for, but torch finds no CUDA device; use cpu")
    count = torch.cuda.device_count()
    if int(known[1] or 0) >= count:
        raise ValueError(f"device {name!r} is not there; the CUDA devices are {_numbered(count)}")
    return torch.device(name)


def _numbered(count: int) -> str:
    return "cuda:0" if count == 1 else f"cuda:0 to cuda:{count - 1}"
