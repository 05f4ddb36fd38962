"""Hand-made listening heads, beside checkpoints that have none."""

from __future__ import annotations

from pathlib import Path

import torch

from personaplex_ros.checkpoint import save_listening_head
from personaplex_ros.lm.listening import QUIET_BIAS, ListeningHead
from personaplex_ros.resources import share_directory

NANO = share_directory() / "checkpoints" / "nano"


def linked(checkpoint: Path, folder: Path) -> Path:
    """Return a folder with links to a checkpoint's files, but for a head it may have."""
    folder.mkdir()
    for path in checkpoint.iterdir():
        if path.name != "listening.safetensors":
            (folder / path.name).symlink_to(path)
    return folder


def constant_head(width: int, words: list[str], output: int) -> ListeningHead:
    """Return a head that chooses an output in every frame, only just over no word."""
    head = ListeningHead(width, words)
    with torch.no_grad():
        head.weight.zero_()
        head.bias.fill_(-1.0)
        head.bias[0] = -QUIET_BIAS
        head.bias[output] = 0.01
    return head


def with_head(checkpoint: Path, folder: Path, head: ListeningHead) -> Path:
    """Return a folder with links to a checkpoint's files, and with a head."""
    linked(checkpoint, folder)
    save_listening_head(head, folder)
    return folder
