"""What the codec would lose in half precision: codes that change, and noise in its speech.

usage: python benchmarks/codec_precision.py [--checkpoint nano] [--json FILE]

The demo's caller is encoded frame by frame in float32 and in two halves; the codes of float32 are
decoded by all three. A code that changes is another token for the language model.
"""

from __future__ import annotations

import argparse
import copy
import json
from pathlib import Path

import torch
from torch import Tensor

from personaplex_ros.audio.wave import read_wave
from personaplex_ros.checkpoint import CheckpointFiles, load_codec
from personaplex_ros.files import write_whole
from personaplex_ros.mimi import Mimi
from personaplex_ros.resources import share_directory

HALVES = {"float16": torch.float16, "bfloat16": torch.bfloat16}
CODEBOOKS = 8


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", default="nano", metavar="DIR")
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    files = CheckpointFiles.find(arguments.checkpoint)
    codec = load_codec(files.mimi, files.mimi_config, torch.device("cpu"))
    samples = read_wave(share_directory() / "config" / "demo" / "caller.wav").samples[:, 0]
    size = codec.config.frame_size
    wave = torch.as_tensor(samples[: len(samples) // size * size]).float().view(1, 1, -1)
    codes = encode(codec, wave)
    speech = decode(codec, codes)
    print(f"{'type':8} {'same codes':>10} {'same frames':>11} {'noise':>9}")
    rows = []
    for name, dtype in HALVES.items():
        half = copy.deepcopy(codec).to(dtype)
        same = encode(half, wave.to(dtype)) == codes
        noise = decode(half, codes) - speech
        row = {
            "type": name,
            "same_codes": float(same.float().mean()),
            "same_frames": float(same.all(1).float().mean()),
            "noise_db": float(10 * (noise.square().sum() / speech.square().sum()).log10()),
        }
        rows.append(row)
        print(f"{name:8} {row['same_codes']:10.1%} {row['same_frames']:11.1%} "
              f"{row['noise_db']:6.1f} dB")  # fmt: skip
    if arguments.json:
        write_whole(arguments.json, lambda place: place.write_text(json.dumps(rows, indent=1)))


def encode(codec: Mimi, wave: Tensor) -> Tensor:
    """Return codes [1, codebooks, frames], a frame at a time."""
    state = codec.encoder_state(1)
    frames = wave.split(codec.config.frame_size, dim=2)
    return torch.cat([codec.encode(frame, state, CODEBOOKS) for frame in frames], dim=2)


def decode(codec: Mimi, codes: Tensor) -> Tensor:
    """Return float32 [1, 1, samples]."""
    state = codec.decoder_state(1)
    return torch.cat([codec.decode(frame, state).float() for frame in codes.split(1, 2)], dim=2)


if __name__ == "__main__":
    main()
