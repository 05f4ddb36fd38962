"""The file of the listening head, beside a checkpoint's published files."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import save

from personaplex_ros.checkpoint.loading import compare, stored_shapes
from personaplex_ros.checkpoint.weights_file import WeightsFile
from personaplex_ros.files import write_whole
from personaplex_ros.lm.listening import ListeningHead

LISTENING = "listening.safetensors"
WORDS = "words"  # in the file's metadata: a JSON list


def load_listening_head(folder: Path, device: torch.device | str) -> ListeningHead:
    """Load the listening head of a checkpoint folder in float32.

    Raises FileNotFoundError where it has none, and ValueError for a file that is not one.
    """
    path = folder / LISTENING
    if not has_listening_head(folder):
        raise FileNotFoundError(
            f"the checkpoint {folder} cannot write down what the person says (user_transcript): it "
            f"has no {LISTENING}, which the stage `listening` of `personaplex train` makes, and "
            "no published model has; leave user_transcript off, or name another checkpoint"
        )
    with WeightsFile(path, "cpu") as file:
        words = _words(path, file.metadata())
        shape = stored_shapes(file).get("weight", ())
        width = shape[1] if len(shape) == 2 else 1
        head = ListeningHead(width, words)
        compare(path, file, head)
        head.load_state_dict({name: file.tensor(name).float() for name in head.state_dict()})
    if not all(parameter.isfinite().all() for parameter in head.parameters()):
        raise ValueError(f"{path}: its numbers are not finite; download it again")
    return head.to(device).eval().requires_grad_(False)


def has_listening_head(folder: Path) -> bool:
    """Whether a checkpoint folder has a listening head."""
    return (folder / LISTENING).is_file()


def save_listening_head(head: ListeningHead, folder: Path) -> None:
    """Write a head into its checkpoint's folder in float16, whole or not at all."""
    tensors = {name: tensor.half().contiguous() for name, tensor in head.state_dict().items()}
    content = save(tensors, {WORDS: json.dumps(head.words)})
    write_whole(folder / LISTENING, partial(Path.write_bytes, data=content))


def _words(path: Path, metadata: dict[str, str]) -> list[str]:
    try:
        words = json.loads(metadata.get(WORDS, ""))
    except (ValueError, RecursionError):
        words = None
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise ValueError(
            f"{path} does not tell the words it knows: `{WORDS}` in its metadata must be a JSON "
            "list of them"
        )
    return words
