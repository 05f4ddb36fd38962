"""Examine the bundled model: prints the table of docs/nano.md.

usage: python benchmarks/nano.py [--dialogues 200] [--json FILE]

Callers' voices, wordings and combinations of persona facts are ones that it was not trained on.
Needs requirements-training.txt.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from personaplex_ros.engine import Sampling
from personaplex_ros.files import write_whole
from personaplex_ros.training.evaluation import Bars, evaluate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", default="nano", metavar="DIR")
    parser.add_argument("--dialogues", type=int, default=200)
    parser.add_argument("--slots", type=int, default=8, help="dialogues at a time")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--temp-text", type=float, default=Sampling.text_temperature)
    parser.add_argument("--temp-audio", type=float, default=Sampling.audio_temperature)
    parser.add_argument("--json", metavar="FILE", help="also what was said in every dialogue")
    arguments = parser.parse_args()
    sampling = Sampling(
        text_temperature=arguments.temp_text, audio_temperature=arguments.temp_audio
    )
    report = evaluate(
        arguments.checkpoint, arguments.dialogues, arguments.seed, arguments.slots, Bars(),
        sampling,
    )  # fmt: skip
    print(report.table())
    if arguments.json:
        write_whole(Path(arguments.json), lambda place: place.write_text(report.json()))


if __name__ == "__main__":
    main()
