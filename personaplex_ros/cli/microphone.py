"""Publish a sound card's microphone on the topic audio_in."""

from __future__ import annotations

import argparse

from personaplex_ros.cli.device_node import add_device_arguments, run_device


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    add_device_arguments(parser, "microphone")


def run(arguments: argparse.Namespace) -> int:
    """Run the node until it is interrupted."""
    return run_device("microphone", arguments)
