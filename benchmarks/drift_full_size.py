"""How far 8-bit weights move the predictions of a model of full size, without a GPU to hold it.

usage: python benchmarks/drift_full_size.py [--frames 1500] [--seeds 3] [--json FILE]

The weights are random, in bfloat16 and in the published sizes; one layer is in memory at a time.
Random tokens are forced upon the model, a conversation a seed. Its predictions are compared with
those of the same weights rounded to 8 bits, and of the same weights with float32 activations, which
tells what bfloat16 itself does. Trained weights may do better or worse.
"""

from __future__ import annotations

import argparse
import copy
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import torch
from random_models import fill
from teacher_forcing import kl
from torch import Tensor, nn
from tqdm import tqdm

from personaplex_ros.engine.packing import scale
from personaplex_ros.files import write_whole
from personaplex_ros.lm import LanguageModel, LMConfig
from personaplex_ros.lm.temporal import TemporalLayer, ring_spec
from personaplex_ros.nn.attention import RingView

PUBLISHED = replace(LMConfig(), depth_steps=8)
CPU = torch.device("cpu")
M = TypeVar("M", bound=nn.Module)
KINDS = ("bfloat16", "float32", "int8", "float8")  # the first is what the others are compared with


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=1500)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    rows = list(measure(PUBLISHED, arguments.seeds, arguments.frames))
    print("weights   seed   text KL speech KL same text same codes")
    for row in rows:
        print(f"{row['weights']:9} {row['seed']:4} {row['text_kl']:9.2e} {row['audio_kl']:9.2e} "
              f"{row['same_text']:9.2%} {row['same_audio']:10.2%}")  # fmt: skip
    if arguments.json:
        write_whole(arguments.json, lambda place: place.write_text(json.dumps(rows, indent=1)))


@torch.inference_mode()
def measure(config: LMConfig, seeds: int, frames: int) -> Iterator[dict[str, str | int | float]]:
    """Yield what is found with each kind of weights for each conversation."""
    generator = torch.Generator().manual_seed(0)
    ends = LanguageModel(replace(config, layers=0), CPU, torch.bfloat16).eval()
    fill(ends, generator)
    tokens = torch.randint(config.cardinality, (seeds, frames + 1, 1 + config.audio_rows),
                           generator=generator)  # fmt: skip
    tokens[..., 0] = torch.randint(config.text_cardinality, tokens.shape[:2], generator=generator)
    models = {kind: variant(ends, kind) for kind in KINDS}
    hidden = {kind: model.embed(tokens[:, :-1]) for kind, model in models.items()}
    for _ in tqdm(range(config.layers), unit="layer"):
        layer = TemporalLayer(config, CPU, torch.bfloat16).eval()
        fill(layer, generator)
        for kind in KINDS:
            hidden[kind] = run_layer(variant(layer, kind), hidden[kind], config)
    for seed in range(seeds):
        expected, *others = (
            predictions(models[kind], hidden[kind][seed], tokens[seed, 1:]) for kind in KINDS
        )
        for kind, given in zip(KINDS[1:], others, strict=True):
            found = [compare(p, q) for p, q in zip(expected, given, strict=True)]
            (text_kl, same_text), *codes = found
            audio_kl, same_audio = torch.tensor(codes).mean(0).tolist()
            yield {
                "weights": kind,
                "seed": seed,
                "frames": frames,
                "text_kl": text_kl,
                "audio_kl": audio_kl,
                "same_text": same_text,
                "same_audio": same_audio,
            }


def variant(module: M, kind: str) -> M:
    """Return a copy with such weights, or with such activations."""
    made = copy.deepcopy(module)
    if kind in ("int8", "float8"):
        scale(made, kind, CPU)
    elif kind == "float32":
        made.float()
    return made


def run_layer(layer: TemporalLayer, x: Tensor, config: LMConfig) -> Tensor:
    """Map x [B, T, D] -> [B, T, D], one conversation after the other."""
    length = x.shape[1]
    view = RingView.at(torch.zeros(1, dtype=torch.int64), length, ring_spec(config), 0, even=True)
    cache = layer.self_attn.initial_cache(1, length)
    return torch.cat([layer(row[None], cache, view) for row in x])


def predictions(model: LanguageModel, hidden: Tensor, column: Tensor) -> list[Tensor]:
    """Return logits [T, ...] of text and each code, given hidden [T, D] and columns [T, rows]."""
    hidden = model.out_norm(hidden)
    past = model.depformer.initial_past(len(hidden))
    steps = range(model.config.codebooks)
    codes = [model.depth_logits(hidden, column[:, step], step, past) for step in steps]
    return [model.text_linear(hidden), *codes]


def compare(expected: Tensor, given: Tensor) -> tuple[float, float]:
    """Return the mean Kullback-Leibler divergence in nats, and how often the likeliest agree."""
    same = (expected.argmax(-1) == given.argmax(-1)).double().mean()
    return kl(expected, given) / len(expected), float(same)


if __name__ == "__main__":
    main()
