"""How far the language model's predictions move when its weights take fewer bytes.

usage: python benchmarks/drift.py [--checkpoint nano] [--frames 1500] [--seeds 3] [--json FILE]

A conversation is sampled from float32 weights while the demo's caller speaks over and over. The
same tokens are forced upon the model with other weights, frame by frame, and its distributions are
compared with those of float32: mean Kullback-Leibler divergence in nats, and how often the most
likely token is the same. The row float32 compares float32 with itself.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from teacher_forcing import kl
from torch import Tensor
from tqdm import tqdm

from personaplex_ros.audio.wave import read_wave
from personaplex_ros.checkpoint import load_language_model
from personaplex_ros.checkpoint.files import CheckpointFiles
from personaplex_ros.engine import Engine, Persona, Session
from personaplex_ros.engine.packing import pack
from personaplex_ros.files import write_whole
from personaplex_ros.lm import model
from personaplex_ros.lm.grid import get_column, put_column
from personaplex_ros.resources import share_directory

Compared = tuple[float, float, bool, float]  # text KL, audio KL, same text, share of same codes
KINDS = ("float32", "float16", "int8")
PERSONA = Persona("x", "You enjoy having a good conversation.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", default="nano", metavar="DIR")
    parser.add_argument("--frames", type=int, default=1500)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    found: dict[str, list[Compared]] = {kind: [] for kind in KINDS}
    with tqdm(total=len(KINDS) * arguments.seeds * arguments.frames, unit="frame") as bar:
        for kind in KINDS:
            for seed in range(arguments.seeds):
                for values in compared(arguments.checkpoint, kind, seed, arguments.frames):
                    found[kind].append(values)
                    bar.update()
    print(f"{'weights':8} {'text KL':>10} {'audio KL':>10} {'same text':>10} {'same audio':>10}")
    rows = []
    for kind, values in found.items():
        text, audio, same_text, same_audio = np.mean(np.array(values, dtype=float), axis=0)
        print(f"{kind:8} {text:10.2e} {audio:10.2e} {same_text:10.2%} {same_audio:10.2%}")
        rows.append({"weights": kind, "text_kl": text, "audio_kl": audio,
                     "same_text": same_text, "same_audio": same_audio})  # fmt: skip
    if arguments.json:
        write_whole(arguments.json, lambda place: place.write_text(json.dumps(rows, indent=1)))


def compared(checkpoint: str, kind: str, seed: int, frames: int) -> Iterator[Compared]:
    """Yield what is found of every frame; the audio's are means over the codebooks."""
    sure, light = engine_with(checkpoint, "float32"), engine_with(checkpoint, kind)
    sessions = [engine.open(PERSONA, seed=seed) for engine in (sure, light)]
    samples = read_wave(share_directory() / "config" / "demo" / "caller.wav").samples[:, 0]
    sound = np.resize(samples, frames * sure.frame_size).astype(np.float32)
    for frame in sound.reshape(frames, -1):
        expected, chosen = logits_of(sure, sessions[0], frame)
        force(light, chosen)
        given, _ = logits_of(light, sessions[1], frame)
        divergence = [kl(p, q) for p, q in zip(expected, given, strict=True)]
        same = [bool(p.argmax() == q.argmax()) for p, q in zip(expected, given, strict=True)]
        yield divergence[0], float(np.mean(divergence[1:])), same[0], float(np.mean(same[1:]))


def engine_with(checkpoint: str, kind: str) -> Engine:
    """Load a checkpoint with the language model's weights of this kind."""
    engine = Engine.load(checkpoint, device="cpu")
    files = CheckpointFiles.find(checkpoint)
    lm = load_language_model(files.model, files.config, "cpu", torch.float32)
    if kind != "float32":
        pack(lm, kind)
    return Engine(lm, engine.codec, engine.tokenizer, engine.voice_folders)


def logits_of(engine: Engine, session: Session, frame: np.ndarray) -> tuple[list[Tensor], Tensor]:
    """Take a step; return the logits of text and codes, and the column that was chosen."""
    with recorded_logits() as logits:
        session.push(frame)
    state = engine.states.lm
    return logits, get_column(state.grid, engine.lm.grid_shape(), state.position)


@contextmanager
def recorded_logits() -> Iterator[list[Tensor]]:
    """Let the language model note the logits that it chooses from."""
    logits: list[Tensor] = []
    choose = model.choose

    def noting(values: Tensor, *rest: Any) -> Tensor:
        logits.append(values[0].float())
        return choose(values, *rest)

    model.choose = noting
    yield logits
    model.choose = choose


def force(engine: Engine, column: Tensor) -> None:
    """Let the next step choose this column's tokens, int64 [1, rows]."""
    state, agent = engine.states.lm, 1 + engine.lm.config.codebooks
    shape = engine.lm.grid_shape()
    put_column(state.grid, shape, state.position + 1, column[:, :agent], None)


if __name__ == "__main__":
    main()
