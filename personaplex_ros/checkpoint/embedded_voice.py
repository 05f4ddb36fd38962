"""Reads a voice that is embedded already: a ``.pt`` file from anyone, of which nothing is run."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pickle import UnpicklingError
from typing import IO, Any

import torch
from torch import Tensor

LARGEST = 256 << 20  # bytes of all that a file holds; the published voices have about 1 MB
FORM = "a dict of the tensors `embeddings` [T, 1, 1, D] and `cache` [1, rows, width]"


@dataclass(frozen=True)
class EmbeddedVoice:
    """A voice as the summed embeddings [T, D] of its columns and the grid's last columns.

    ``grid`` is int64 [rows, width]; column c at index c mod width.
    """

    embeddings: Tensor
    grid: Tensor


def read_embedded_voice(file: IO[bytes], source: str) -> EmbeddedVoice:
    """Read a file of ``torch.save``. Raises ValueError naming ``source`` and what is wrong."""
    try:
        content = _content(file)
        return EmbeddedVoice(_embeddings(content), _grid(content))
    except ValueError as error:
        raise ValueError(f"voice {source}: {error}; export it again, or take a .wav") from error


def _content(file: IO[bytes]) -> dict[Any, Any]:
    try:
        with zipfile.ZipFile(file) as archive:
            size = sum(member.file_size for member in archive.infolist())
    except (zipfile.BadZipFile, OSError, NotImplementedError) as error:
        raise ValueError("it is no complete file of torch.save") from error
    if size > LARGEST:
        raise ValueError(f"it holds {size} bytes, more than any voice; at most {LARGEST} are read")
    file.seek(0)
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
    except UnpicklingError as error:  # its words advise to run what the file holds
        raise ValueError(f"it holds other objects than {FORM}, which are not loaded") from error
    except Exception as error:  # torch raises of every kind for what is damaged
        raise ValueError(f"it is damaged ({type(error).__name__})") from error
    if not isinstance(content, dict):
        raise ValueError(f"it holds a {type(content).__name__}, not {FORM}")
    return content


def _embeddings(content: dict[Any, Any]) -> Tensor:
    embeddings = _tensor(content, "embeddings")
    if embeddings.dim() != 4 or embeddings.shape[1:3] != (1, 1):
        raise ValueError(f"`embeddings` is {list(embeddings.shape)}; it must be [T, 1, 1, D]")
    if embeddings.numel() == 0 or not embeddings.is_floating_point():
        raise ValueError("`embeddings` has no columns, or its numbers are not float")
    if not embeddings.isfinite().all():
        raise ValueError("numbers of `embeddings` are not finite")
    return embeddings[:, 0, 0]


def _grid(content: dict[Any, Any]) -> Tensor:
    cache = _tensor(content, "cache")
    if cache.dim() != 3 or cache.shape[0] != 1 or cache.numel() == 0:
        raise ValueError(f"`cache` is {list(cache.shape)}; it must be [1, rows, width]")
    if cache.dtype not in (torch.int64, torch.int32, torch.int16):
        raise ValueError(f"`cache` has numbers of type {cache.dtype}; ids are int64")
    return cache[0].long()


def _tensor(content: dict[Any, Any], name: str) -> Tensor:
    tensor = content.get(name)
    if not isinstance(tensor, Tensor):
        raise ValueError(f"it has no tensor `{name}`; a voice is {FORM}")
    plain = tensor.layout is torch.strided and tensor.device.type == "cpu"
    if not plain or tensor.is_quantized or tensor.is_complex():
        raise ValueError(f"`{name}` is not a plain tensor")
    if tensor.numel() * tensor.element_size() > LARGEST:  # whatever little memory it shares
        raise ValueError(f"`{name}` is {list(tensor.shape)}, larger than any voice")
    return tensor
