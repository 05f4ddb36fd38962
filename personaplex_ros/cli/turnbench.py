"""`personaplex evaluate --suite turnbench`: when turns end and are taken, scored as events."""

from __future__ import annotations

import argparse
from pathlib import Path

from tqdm import tqdm

from personaplex_ros.benchmark.turnbench.folder import Conversation, read_conversations
from personaplex_ros.benchmark.turnbench.giving_way import GivingWay
from personaplex_ros.benchmark.turnbench.predictions import (
    Predictions,
    read_predictions,
    write_predictions,
)
from personaplex_ros.benchmark.turnbench.published import tables, unpack
from personaplex_ros.benchmark.turnbench.report import Report, oracle, score_all
from personaplex_ros.benchmark.turnbench.run import OURS, chosen, hear
from personaplex_ros.benchmark.words import write_json
from personaplex_ros.cli.arguments.paths import check_folder, refuse_shared_paths
from personaplex_ros.cli.synthesis import check_synthetic
from personaplex_ros.optional import require

SUITE = "turnbench"


def add_suite_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe what only this suite reads."""
    group = parser.add_argument_group(SUITE)
    group.add_argument(
        "--predictions",
        type=Path,
        metavar="FILE",
        help="score these predictions and hear nothing (JSON, as the benchmark takes them)",
    )
    group.add_argument(
        "--natural",
        action="store_true",
        help="let --synthetic speak with a voice learnt from recordings, not by rules",
    )
    group.add_argument(
        "--write-predictions",
        type=Path,
        metavar="FILE",
        help="write what our own turn events are, for the benchmark's own scorer",
    )


def run_suite(arguments: argparse.Namespace) -> int:
    """Hear and score; what the options name can be written."""
    refuse_shared_paths(
        {"--predictions": arguments.predictions},
        {
            "--json": [arguments.json] if arguments.json else [],
            "--write-predictions": (
                [arguments.write_predictions] if arguments.write_predictions else []
            ),
        },
    )
    if arguments.predictions and arguments.write_predictions:
        raise ValueError("--write-predictions hears the data, which --predictions spares: give one")
    if arguments.synthetic is not None:
        _synthesise(arguments)
    elif arguments.natural:
        raise ValueError("--natural says how --synthetic N speaks: give that, too")
    if tables(arguments.data):
        require("pyarrow")
        check_folder("--data", arguments.data)
        unpack(arguments.data)
    conversations = read_conversations(arguments.data)
    found: dict[str, Predictions] = {"oracle": oracle(conversations)}
    ways: dict[str, GivingWay] = {}
    if arguments.predictions:
        found[arguments.predictions.name] = _given(arguments.predictions, conversations)
    else:
        hearing = hear(tqdm(conversations, desc="conversations"))
        found |= hearing.found
        ways = hearing.giving_way
    scores = {name: score_all(conversations, one) for name, one in found.items()}
    about = {"data": arguments.data.resolve().name}
    report = Report(about, conversations, scores, ways, chosen)
    print(report.tables())
    if arguments.json:
        write_json(arguments.json, report.data())
    if arguments.write_predictions:
        write_predictions(arguments.write_predictions, found[OURS])
    return 0


def _synthesise(arguments: argparse.Namespace) -> None:
    check_synthetic(arguments, ["hibari"] if arguments.natural else [])
    from personaplex_ros.benchmark.turnbench.synthetic import write_conversations

    write_conversations(arguments.data, arguments.synthetic, arguments.seed, arguments.natural)


def _given(path: Path, conversations: list[Conversation]) -> Predictions:
    return read_predictions(path, {one.name: one.duration_s for one in conversations})
