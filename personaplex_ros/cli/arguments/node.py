"""Arguments of commands that start the node in a process of its own."""

from __future__ import annotations

import argparse


def add_node_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what ``node_parameters`` reads."""
    parser.add_argument(
        "--checkpoint",
        metavar="DIR",
        default="nano",
        help="checkpoint folder (default: the bundled nano)",
    )
    parser.add_argument(
        "--engine",
        metavar="URL",
        default="",
        help="server where the model runs, ws://HOST:PORT or wss://HOST:PORT, in place of a "
        "checkpoint here (docs/tether.md)",
    )
    parser.add_argument(
        "--persona", metavar="NAME", default="receptionist", help="default: receptionist"
    )
    parser.add_argument(
        "--user-transcript",
        action="store_true",
        help="write down what the caller says, too, if the checkpoint has a listening head",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, ... (default: auto)")
    parser.add_argument(
        "--domain",
        type=int,
        metavar="N",
        help="join this ROS domain, and whatever robot is on it, as ROS's variables say (default: "
        "a graph of its own on this machine, whatever ROS_DOMAIN_ID is)",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the sampling (default: 0)")


def node_parameters(arguments: argparse.Namespace) -> dict[str, object]:
    """Return the node's parameters that the arguments give."""
    names = ("checkpoint", "engine", "persona", "user_transcript", "device", "seed")
    return {name: getattr(arguments, name) for name in names}
