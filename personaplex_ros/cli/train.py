"""Train a small checkpoint such as nano, on speech synthesised here."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from personaplex_ros.checkpoint.listening import LISTENING
from personaplex_ros.cli.arguments.paths import check_folder
from personaplex_ros.engine.loading import choose_device
from personaplex_ros.optional import require


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    parser.add_argument("--output", required=True, metavar="DIR", help="the checkpoint folder")
    parser.add_argument(
        "--work",
        metavar="DIR",
        help="corpus, states and logs; a stopped training goes on from there (default: DIR.work)",
    )
    parser.add_argument(
        "--recipe",
        default="nano",
        metavar="NAME",
        help="name in config/training, or a file (default: nano)",
    )
    parser.add_argument(
        "--stages",
        metavar="A,B",
        help="only these of voices, codec, hearing, corpus, language, surer, listening, decoder, "
        "export, evaluate",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, ... (default: auto)")
    parser.add_argument("--seed", type=int, default=0, help="of what is said (default: 0)")


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    require("espeakng_loader")
    from personaplex_ros.training.pipeline import CHECKPOINT, STAGES, WORK, train
    from personaplex_ros.training.recipe import load_recipe
    from personaplex_ros.training.workshop import Workshop

    stages = tuple(arguments.stages.split(",")) if arguments.stages else STAGES
    unknown = sorted(set(stages) - set(STAGES))
    if unknown:
        raise ValueError(f"--stages knows no {', '.join(unknown)}; there are {', '.join(STAGES)}")
    check_folder("--output", arguments.output, (*CHECKPOINT, LISTENING))
    output = Path(arguments.output)
    work = (
        Path(arguments.work)
        if arguments.work is not None
        else output.with_name(output.name + ".work")
    )
    check_folder("--work" if arguments.work is not None else "--output", work, WORK)
    device = choose_device(arguments.device)
    if device.type == "cuda":
        torch.backends.cuda.matmul.fp32_precision = "tf32"
    train(Workshop(load_recipe(arguments.recipe), work, output, device, arguments.seed), stages)
    return 0
