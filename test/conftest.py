"""Fixtures of the engine's tests; checkpoints are made once a run."""

from __future__ import annotations

import hashlib
import importlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import TYPE_CHECKING

os.environ["TRITON_INTERPRET"] = "1"  # it counts when triton is imported, which others do, too

import pytest
import torch
from dds_support import loopback, own_domain
from fuzz_support import register_profiles
from portaudio_support import portaudio as portaudio
from reference import REFERENCE, write_checkpoint
from zenoh_support import router

from personaplex_ros.engine import Engine
from personaplex_ros.node.bare.bus import BareBus
from personaplex_ros.node.bare.middleware import open_bus
from personaplex_ros.node.hosts.bus import RELIABLE
from personaplex_ros.optional import CYCLONE, without_cyclone

if TYPE_CHECKING:
    from moshi_server import MoshiServer

    from personaplex_ros.node.dds.bus import DdsBus


class WithoutCyclone(MetaPathFinder):
    """Skips the tests that need Cyclone DDS where Python has none, as 3.14: it is asked last."""

    def find_spec(self, name: str, path: object, target: object = None) -> None:
        """Skip the test, or the file of tests, that imports it."""
        if name == CYCLONE:
            pytest.skip(without_cyclone(sys.version_info[:2]), allow_module_level=True)


sys.meta_path.append(WithoutCyclone())

torch.set_num_threads(1)
register_profiles()
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as of a job in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)  # our programs would ignore it, too

# Of a checkpoint made with seed 7; stated in the reference's MODEL.md. A SentencePiece file holds
# the paths it was made from, so the tokenizer's sum is another in every folder.
SHA256 = {
    "model.safetensors": "ca7283c3",
    "tokenizer-e351c8d8-checkpoint125.safetensors": "f7ce9b9f",
}


def pytest_runtest_setup() -> None:
    """Let no test take denormal numbers for 0 because one before it stepped a model."""
    torch.set_flush_denormal(False)


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the checkpoint that the golden files were made with."""
    folder = tmp_path_factory.mktemp("tiny")
    command = [sys.executable, REFERENCE / "make_checkpoint.py", folder, "--seed", "7"]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    for name, prefix in SHA256.items():
        digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        assert digest.startswith(prefix), f"{name} is not the checkpoint of the golden files"
    return folder


@pytest.fixture(scope="session")
def tiny_engine(tiny_checkpoint: Path) -> Engine:
    """Return the engine that must reproduce the golden files."""
    return Engine.load(tiny_checkpoint, device="cpu")


@pytest.fixture(scope="session")
def small_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a random checkpoint that needs no reference files."""
    return write_checkpoint(tmp_path_factory.mktemp("small"))


@pytest.fixture
def small_engine(small_checkpoint: Path) -> Engine:
    """Return an engine with one slot."""
    return Engine.load(small_checkpoint, device="cpu")


@pytest.fixture
def cyclone() -> None:
    """Skip a test whose processes need Cyclone DDS where Python has none."""
    importlib.import_module(CYCLONE)


@pytest.fixture
def bus(monkeypatch: pytest.MonkeyPatch) -> Iterator[DdsBus]:
    """Return a bus on a graph of this machine alone."""
    loopback(monkeypatch)
    from personaplex_ros.node.dds.bus import DdsBus

    bus = DdsBus("talk", "/robot")
    yield bus
    bus.close()


@pytest.fixture(params=["dds", "zenoh"])
def any_graph(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keep `open_bus` to a graph of this machine alone, over each middleware."""
    with ExitStack() as graph:
        if request.param == "zenoh":
            graph.enter_context(router(monkeypatch))
        else:
            loopback(monkeypatch)
        yield


@pytest.fixture
def any_bus(any_graph: None) -> Iterator[BareBus]:
    """Return a bus on such a graph."""
    bus = open_bus("talk", "/robot")
    yield bus
    bus.close()


@pytest.fixture
def robots_graph(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Return the topics of which a robot hears something, in the domain that the shell names.

    What a command sets to keep its graph to itself is undone after the test.
    """
    from personaplex_ros.node.dds.bus import DdsBus

    own_domain(monkeypatch)
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    monkeypatch.setenv("CYCLONEDDS_URI", "")
    monkeypatch.setenv("ZENOH_CONFIG_OVERRIDE", "")
    heard: list[str] = []
    robot = DdsBus("robot")
    own = "personaplex_ros/msg/AudioFrame"
    for topic, kind in (
        ("cmd_vel", "geometry_msgs/msg/TwistStamped"), ("audio_in", own), ("audio_out", own),
    ):  # fmt: skip
        robot.subscribe(topic, kind, RELIABLE, lambda message, _, name=topic: heard.append(name))
    yield heard
    robot.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a tether try a server that is gone again soon."""
    monkeypatch.setattr("personaplex_ros.tether.link.LONGEST_BACKOFF_S", 0.3)


@pytest.fixture
def server() -> Iterator[MoshiServer]:
    """Run a server of Moshi's protocol that is the tests' own."""
    from moshi_server import moshi_server

    with moshi_server() as running:
        yield running
