"""From safetensors files to modules, with every difference named before anything is read.

Modules are built without memory (on the meta device), the file's header is compared with them,
and then each tensor is read once, straight to its device, and takes the place of the empty one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from personaplex_ros.checkpoint.recognition import foreign_tensors
from personaplex_ros.checkpoint.weights_file import WeightsFile
from personaplex_ros.lm import LanguageModel, LMConfig
from personaplex_ros.mimi import Mimi, MimiConfig
from personaplex_ros.nn.conv import lay_kernels_by_sample

Shape = tuple[int, ...]
FLOATS = ("F32", "BF16", "F16")


def load_codec(path: Path, config: MimiConfig, device: torch.device | str) -> Mimi:
    """Load the Mimi codec in float32.

    Raises ValueError naming all tensors that are missing, surplus, misshapen or not floats, and for
    codebooks that are not finite, which no frame would tell.
    """
    with WeightsFile(path, device) as file:
        codec = check_codec(path, file, config)
        state = {name: file.tensor(name).float() for name in codec.state_dict()}
    codec.load_state_dict(state, assign=True)
    codec.quantizer.derive()
    if not codec.quantizer.is_finite():
        raise ValueError(f"{path}: numbers of its codebooks are not finite; download it again")
    lay_kernels_by_sample(codec)
    return codec.eval().requires_grad_(False)


def load_language_model(
    path: Path,
    config: Mapping[str, Any],
    device: torch.device | str,
    dtype: torch.dtype | None,
    depth_steps: int | None = None,
    *,
    within_training: bool = False,
) -> LanguageModel:
    """Load the language model in ``dtype``; None means as the published file stores it.

    Norms are float32 always. ``config`` is the content of config.json. Only the weights of
    ``depth_steps`` depth steps are read, by default those of the agent's codebooks; when the file
    has fewer, they repeat. ``within_training`` leaves the model no more context than it was trained
    with, where config.json says that this is less.
    Raises ValueError naming all tensors that are missing, surplus, misshapen or not floats.
    """
    with WeightsFile(path, device) as file:
        stored = check_language_model(path, file, config)
        wanted = stored.with_depth_steps(depth_steps or stored.codebooks)
        if within_training:
            wanted = wanted.within_training()
        model = LanguageModel(wanted, device="meta", dtype=dtype)
        state = {}
        for name, empty in model.state_dict().items():
            tensor = _read(file, name, stored.depth_steps, wanted.depth_steps)
            state[name] = tensor.to(empty.dtype)
    model.load_state_dict(state, assign=True)
    return model.eval().requires_grad_(False)


def check_codec(path: Path, file: WeightsFile, config: MimiConfig) -> Mimi:
    """Compare an open file with a codec's configuration; return the codec without memory.

    Raises ValueError as ``load_codec`` does.
    """
    if "text_emb.weight" in file.names():
        raise ValueError(f"{path} holds a language model, not a codec (Mimi)")
    codec = Mimi(config, device="meta")
    compare(path, file, codec)
    return codec


def check_language_model(path: Path, file: WeightsFile, config: Mapping[str, Any]) -> LMConfig:
    """Compare an open file with the content of config.json; return what the file stores.

    Raises ValueError as ``load_language_model`` does.
    """
    foreign = foreign_tensors(file.names())
    if foreign:
        raise ValueError(f"{path} holds {foreign}")
    try:
        stored = LMConfig.from_checkpoint(config, stored_shapes(file))
    except ValueError as error:
        raise ValueError(f"{path} with its config.json: {error}") from error
    compare(path, file, LanguageModel(stored, device="meta"))
    return stored


def compare(path: Path, file: WeightsFile, module: nn.Module) -> None:
    """Raise ValueError if the tensors of an open file are not those that a module loads."""
    found, expected = stored_shapes(file), module_shapes(module)
    wrong = [
        f"{name} is {list(found[name])}, must be {list(shape)}"
        for name, shape in expected.items()
        if name in found and found[name] != shape
    ]
    problems = {
        "missing": [name for name in expected if name not in found],
        "surplus": [name for name in found if name not in expected],
        "misshapen": wrong,
        "of a type that cannot be loaded": unloadable(file),
    }
    texts = [f"{kind}: {', '.join(names)}" for kind, names in problems.items() if names]
    if texts:
        raise ValueError(
            f"{path} does not fit its configuration. {'. '.join(texts)}. "
            "Check that config.json belongs to this file and that the download is complete"
        )


def stored_in_half(path: Path) -> bool:
    """Return whether a file's tensors are all float16."""
    with WeightsFile(path, "cpu") as file:
        return all(file.part(name).get_dtype() == "F16" for name in file.names())


def stored_shapes(file: WeightsFile) -> dict[str, Shape]:
    """Return the shapes of all tensors from the header alone."""
    return {name: tuple(file.part(name).get_shape()) for name in file.names()}


def unloadable(file: WeightsFile) -> list[str]:
    """Name the tensors that are of another type than a float that torch computes with."""
    types = {name: file.part(name).get_dtype() for name in file.names()}
    return [f"{name} is {kind}" for name, kind in types.items() if kind not in FLOATS]


def module_shapes(module: nn.Module) -> dict[str, Shape]:
    """Return the shapes of all tensors that a module loads."""
    return {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}


def _read(file: WeightsFile, name: str, stored_steps: int, wanted_steps: int) -> Tensor:
    """Read one tensor; of those that belong to depth steps, the wanted steps' part."""
    if re.fullmatch(r"depformer\.layers\.\d+\.self_attn\.(in_proj_weight|out_proj\.weight)", name):
        entry = file.part(name)
        rows = entry.get_shape()[0] // stored_steps
        part = entry[: rows * min(stored_steps, wanted_steps)]
        order = torch.arange(wanted_steps, device=part.device) % stored_steps
        return (
            part
            if wanted_steps <= stored_steps
            else part.unflatten(0, (-1, rows))[order].flatten(0, 1)
        )
    step = re.fullmatch(r"(depformer_in|linears|depformer\.layers\.\d+\.gating)\.(\d+)(\..*)", name)
    if step:
        name = f"{step[1]}.{int(step[2]) % stored_steps}{step[3]}"
    # Table k belongs to step k + 1. Where a step repeats step 0, which has none (it reads the text
    # token), the last one stands in.
    embedding = re.fullmatch(r"depformer_emb\.(\d+)\.weight", name)
    if embedding and int(embedding[1]) >= stored_steps - 1:
        table = min(int(embedding[1]) % stored_steps, stored_steps - 2)
        name = f"depformer_emb.{table}.weight"
    return file.tensor(name)
