"""Does the full-size checkpoint load and run here? Random weights in the published layout.

usage: python benchmarks/full_size.py FOLDER [--frames 5] [--device cpu] [--dtype bfloat16]

Writes 17.6 GB into FOLDER (once; it may be deleted afterwards), loads it as any checkpoint, and
prints the time to load, the time of each part of a frame, and the memory used besides the file.
"""

from __future__ import annotations

import argparse
import json
import struct
import sys
import threading
import time
from pathlib import Path

import numpy as np
import sentencepiece
import torch
from torch import Tensor

from personaplex_ros.checkpoint.files import MIMI, MODEL, TOKENIZER
from personaplex_ros.cli.offline import timing_table
from personaplex_ros.engine import Engine, Persona
from personaplex_ros.lm import LanguageModel, LMConfig
from personaplex_ros.mimi import Mimi, MimiConfig

NAMES = {torch.bfloat16: "BF16", torch.float32: "F32"}
BLOCK = torch.randn(1 << 24, generator=torch.Generator().manual_seed(0))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--frames", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="bfloat16")
    arguments = parser.parse_args()
    write_checkpoint(arguments.folder)
    peak = Peak()
    started = time.perf_counter()
    engine = Engine.load(arguments.folder, device=arguments.device, dtype=arguments.dtype)
    print(f"loaded in {time.perf_counter() - started:.1f} s")
    session = engine.open(Persona("casual", "You enjoy having a good conversation."), seed=0)
    noise = np.random.default_rng(0).normal(0, 0.05, (arguments.frames, engine.frame_size))
    results = [session.push(frame) for frame in noise.astype(np.float32)]
    print(timing_table([result.timing for result in results], 1 / engine.frame_rate))
    print(f"memory besides the mapped file: at most {peak.gigabytes():.2f} GB")
    return 0


class Peak:
    """Watches this process's anonymous memory (Linux)."""

    def __init__(self) -> None:
        self._most = 0
        threading.Thread(target=self._watch, daemon=True).start()

    def gigabytes(self) -> float:
        """Return the largest value seen."""
        return self._most / 1e9

    def _watch(self) -> None:
        while True:
            status = Path("/proc/self/status").read_text()
            self._most = max(self._most, 1024 * int(status.split("RssAnon:")[1].split()[0]))
            time.sleep(0.05)


def write_checkpoint(folder: Path) -> None:
    """Write model, codec and tokenizer, unless they are there."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, module in (
        (MODEL, LanguageModel(LMConfig(), device="meta")),
        (MIMI, Mimi(MimiConfig(), device="meta")),
    ):
        if not (folder / name).exists():
            write_weights(folder / name, module.state_dict())
    if not (folder / TOKENIZER).exists():
        letters = "abcdefghijklmnopqrstuvwxyz"
        words = ["".join(letters[n // 26**k % 26] for k in range(4)) for n in range(40000)]
        with (folder / TOKENIZER).open("wb") as file:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=iter(words), model_writer=file, model_type="word",
                vocab_size=LMConfig().text_cardinality, pad_id=3, minloglevel=2,
            )  # fmt: skip


def write_weights(path: Path, tensors: dict[str, Tensor]) -> None:
    """Write random tensors of these names, shapes and types as safetensors, one at a time."""
    header, end = {}, 0
    for name, tensor in tensors.items():
        begin, end = end, end + tensor.nbytes
        header[name] = {"dtype": NAMES[tensor.dtype], "shape": list(tensor.shape),
                        "data_offsets": [begin, end]}  # fmt: skip
    text = json.dumps(header).encode()
    partial = path.with_suffix(".part")
    with partial.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name, tensor in tensors.items():
            fan_in = max(1, tensor[0].numel()) if tensor.dim() > 1 else 1
            scale = 0.02 if "emb" in name else 0.7 / fan_in**0.5
            block = BLOCK[: tensor.numel()] * scale
            if name.endswith(("alpha", "usage", "_initialized")):
                block = torch.ones(min(tensor.numel(), len(BLOCK)))
            data = block.to(tensor.dtype).view(torch.uint8).numpy().tobytes()
            whole, rest = divmod(tensor.nbytes, len(data))
            for _ in range(whole):
                file.write(data)
            file.write(data[:rest])
    partial.rename(path)


if __name__ == "__main__":
    sys.exit(main())
