"""What a file is that is not what was expected, told from its first bytes or its tensors' names."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

SUPPORTED = (
    "weights are taken as .safetensors in the layout of Kyutai's Moshi, as published for PyTorch"
)
_ARCHIVE = "an archive (zip): a file of torch.save or numpy, or something else packed"
_BEGINNINGS = (
    (rb"GGUF", "a GGUF file, for llama.cpp"),
    (rb"version https://git-lfs", "a pointer of Git LFS, not the file itself: run `git lfs pull`"),
    (rb"\s*<(!doctype|html|\?xml)", "a web page, such as a login or an error page"),
    (rb"PK\x03\x04", _ARCHIVE),
    (rb"\x1f\x8b", "an archive (gzip)"),
    (rb"\x80[\x02-\x05]", "a pickle of Python"),
    (rb"\x93NUMPY", "an array of numpy"),
    (rb"RIFF....WAVE", "a wave file"),
    (rb".{8}\{", "a safetensors file"),
    (rb"\x08[\x01-\x0f].{0,4}(pytorch|onnx)", "an ONNX file"),
    (rb"\s*[\[{]", "a JSON file"),
    (rb"[\s\x20-\x7e]+$", "a text"),
)
_SUFFIXES = {
    ".gguf": "GGUF, for llama.cpp",
    ".bin": "a pickle of PyTorch",
    ".pt": "a pickle of PyTorch",
    ".pth": "a pickle of PyTorch",
    ".ckpt": "a pickle of PyTorch",
    ".nemo": "an archive of NeMo",
    ".onnx": "ONNX",
    ".npz": "arrays of numpy, as MLX has",
    ".h5": "HDF5",
}
_TENSORS = (
    (r"\blora_[AB]\b|\blora_(a|b|up|down)\b", "a LoRA adapter: merge it into the model that it was "
     "trained on, and give the whole model"),
    (r"\.(scales|biases)$", "weights that MLX has quantised (q4, q8), which run on Apple computers "
     "only: give the model in bfloat16; `weights` int8 makes 8 bits of it here"),
    (r"\.(qweight|qzeros|absmax|weight_scale)$", "weights that another program has quantised: give "
     "the model in bfloat16; `weights` int8 makes 8 bits of it here"),
    (r"^(encoder|decoder)\.model\.\d+\.|^quantizer\.", "a codec (Mimi), not a language model"),
    (r"^((depth_)?decoder\.)?model\.(layers|embed)", "a model in the layout of Hugging "
     "Face's transformers: give the one in Kyutai's layout, as it was published for PyTorch"),
)  # fmt: skip


def foreign_file(path: Path) -> str:
    """Say what a file is, "empty" included, or return "" where that is not known.

    Raises OSError when it cannot be read.
    """
    with path.open("rb") as file:
        begin = file.read(200)
    if not begin:
        return "empty"
    for pattern, name in _BEGINNINGS:
        if re.match(pattern, begin, re.DOTALL | re.IGNORECASE):
            return name
    return ""


def foreign_tensors(names: Iterable[str]) -> str:
    """Say what the tensors of a file belong to, or return "" where that is not known."""
    names = list(names)
    for pattern, name in _TENSORS:
        if any(re.search(pattern, tensor) for tensor in names):
            return name
    return ""


def other_formats(folder: Path) -> list[str]:
    """Name what a folder holds of weights in formats that are not taken."""
    found = [
        f"{path.name} ({_SUFFIXES[path.suffix.lower()]})"
        for path in sorted(folder.iterdir())
        if path.suffix.lower() in _SUFFIXES
    ]
    if (folder / "adapter_config.json").is_file():
        found.append("adapter_config.json (a LoRA adapter, which has to be merged into its model)")
    return found
