"""Processes that are ended or killed at any moment: no half files, and no children left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import soundfile
from test_interruption import Start, children_of, start, wait_for  # noqa: F401

from personaplex_ros.files import WholeFile, write_whole

ROOT = Path(__file__).parent.parent
WRITER = """
import sys, time
from pathlib import Path
from personaplex_ros.files import write_whole

def write(place):
    place.write_text("half")
    print("half", flush=True)
    time.sleep(60)

write_whole(sys.argv[1], write)
"""


def killed_while_writing(path: Path) -> Path:
    """Let a process die over a file; return what it left behind."""
    child = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, cwd=ROOT
    )
    assert child.stdout is not None and child.stdout.readline() == b"half\n"
    child.kill()
    child.communicate()
    (left,) = path.parent.glob(".*.part")
    assert left.read_text() == "half"
    return left


@pytest.mark.parametrize("before", ["", "as it was"], ids=["a new file", "an old file"])
def test_a_writer_that_is_killed_leaves_no_half_file_and_the_next_tidies_up(
    tmp_path: Path, before: str
) -> None:
    path = tmp_path / "talk [1].txt"
    if before:
        path.write_text(before)
    left = killed_while_writing(path)
    assert path.exists() == bool(before) and (not before or path.read_text() == before)
    write_whole(path, lambda place: place.write_text("whole"))
    assert left.exists(), "it might be of a process that has just begun"
    os.utime(left, (0, 0))
    write_whole(path, lambda place: place.write_text("whole"))
    assert path.read_text() == "whole" and list(tmp_path.iterdir()) == [path]


def test_what_somebody_still_writes_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "talk.txt"
    slow = WholeFile(path)
    slow.place.write_text("slow")
    os.utime(slow.place, (0, 0))
    write_whole(path, lambda place: place.write_text("quick"))
    assert path.read_text() == "quick" and slow.place.exists()
    slow.finish()
    slow.discard()
    assert path.read_text() == "slow" and list(tmp_path.iterdir()) == [path]


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["TERM", "KILL"])
@pytest.mark.parametrize("after_s", [0.1, 0.7, 1.5, 2.5, 4.0, 6.0])
def test_a_command_that_is_ended_at_any_moment_leaves_no_half_file(
    start: Start,  # noqa: F811
    tmp_path: Path,
    number: signal.Signals,
    after_s: float,
) -> None:
    noise = np.random.default_rng(0).uniform(-0.1, 0.1, 48_000)
    soundfile.write(tmp_path / "in.wav", noise, 24_000)
    command = start(
        "offline", "--input-wav", "in.wav", "--output-wav", "out.wav", "--output-text", "out.json",
        "--timeline", "out.png",
    )  # fmt: skip
    time.sleep(after_s)
    children = children_of(command.pid)
    command.send_signal(number)
    _, errors = command.communicate(timeout=30.0)
    killed = number is signal.SIGKILL
    # Python ends of SIGTERM before our first line and after our last.
    assert command.returncode in ((0, -9) if killed else (0, 143, -15)), errors
    assert "Traceback" not in errors
    _, alive = psutil.wait_procs(children, timeout=10.0)
    assert alive == []
    if command.returncode == 0 or (tmp_path / "out.wav").exists():
        assert soundfile.info(tmp_path / "out.wav").frames == 48_000
    if not killed:
        assert not list(tmp_path.glob(".*"))


@pytest.mark.usefixtures("cyclone")
@pytest.mark.parametrize(
    "number",
    [pytest.param(signal.SIGTERM, marks=pytest.mark.long), signal.SIGKILL],
    ids=["TERM", "KILL"],
)
def test_a_node_that_is_ended_leaves_a_whole_recording_or_none(
    start: Start,  # noqa: F811
    tmp_path: Path,
    number: signal.Signals,
) -> None:
    talk = tmp_path / "talk.wav"
    command = start(
        "node", "--ros-args", "-p", f"audio_sink:=file:{talk}", "-r", "__ns:=/of_test_killed",
        ROS_AUTOMATIC_DISCOVERY_RANGE="OFF",
    )  # fmt: skip
    wait_for(lambda: any(part.stat().st_size > 10_000 for part in tmp_path.glob(".*.part")))
    command.send_signal(number)
    _, errors = command.communicate(timeout=30.0)
    assert "Traceback" not in errors
    if number is signal.SIGTERM:
        assert command.returncode == 0
        assert soundfile.info(talk).duration >= 0.16 and not list(tmp_path.glob(".*.part"))
    else:
        assert command.returncode == -number and not talk.exists()
