"""Commands as processes: what ends them, what they leave, and who reads what they print."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
import soundfile

ROOT = Path(__file__).parent.parent
COMMAND = (sys.executable, "-m", "personaplex_ros")
LOOK_S = 0.05
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a command in a folder of its own; what is left of it after the test is killed."""
    started: list[psutil.Process] = []

    def run(*words: str, **options: str) -> subprocess.Popen[str]:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), **options}
        command = subprocess.Popen(
            [*COMMAND, *words],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(psutil.Process(command.pid))
        return command

    yield run
    for process in started:
        for left in [process, *children_of(process.pid)]:
            if left.is_running():
                left.kill()


@pytest.fixture
def question(tmp_path: Path) -> str:
    """Return a recording of 1 s."""
    path = tmp_path / "question.wav"
    noise = np.random.default_rng(0).uniform(-0.1, 0.1, 24_000)
    soundfile.write(path, noise, 24_000)
    return str(path)


def children_of(number: int) -> list[psutil.Process]:
    try:
        return psutil.Process(number).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def wait_for(what: Callable[[], object], timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not what():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(LOOK_S)


def silent(errors: str) -> bool:
    return not any(word in errors for word in ("Traceback", "Exception", "Error"))


# Children end with their parent


@pytest.mark.parametrize(
    ("words", "number"),
    [
        (["demo"], signal.SIGTERM),
        (["simulate"], signal.SIGHUP),
        pytest.param(["train", "--output", "checkpoint"], signal.SIGKILL, marks=pytest.mark.long),
    ],
    ids=["demo", "simulate", "train"],
)
def test_children_end_with_their_command(
    start: Start, words: list[str], number: signal.Signals
) -> None:
    command = start(*words)
    wait_for(lambda: children_of(command.pid))
    time.sleep(1.0)  # they are somewhere in their imports
    children = children_of(command.pid)
    command.send_signal(number)
    _, errors = command.communicate(timeout=20.0)  # the pipes close when all have ended
    _, alive = psutil.wait_procs(children, timeout=10.0)
    assert alive == []
    expected = -number if number is signal.SIGKILL else 128 + number
    assert command.returncode == expected and silent(errors), errors


def test_a_node_that_talks_ends_with_its_demo(start: Start, tmp_path: Path) -> None:
    command = start("demo")
    assert command.stdout is not None
    for line in command.stdout:
        if "speaks for" in line:
            break
    (node,) = children_of(command.pid)
    command.kill()
    psutil.wait_procs([node], timeout=10.0)
    assert not node.is_running()


# Ctrl-C


@pytest.mark.parametrize("after_s", [0.3, 1.0, 3.0])
def test_ctrl_c_says_nothing_and_leaves_nothing(
    start: Start, tmp_path: Path, question: str, after_s: float
) -> None:
    command = start("offline", "--input-wav", question, "--output-wav", "answer.wav")
    time.sleep(after_s)
    was_running = command.poll() is None
    command.send_signal(signal.SIGINT)
    _, errors = command.communicate(timeout=20.0)
    assert command.returncode == (130 if was_running else 0) and silent(errors), errors
    assert {path.name for path in tmp_path.iterdir()} <= {"question.wav", "answer.wav"}


# Who reads


def test_the_work_is_done_when_nobody_reads_on(start: Start, tmp_path: Path, question: str) -> None:
    command = start("offline", "--input-wav", question, "--output-wav", "answer.wav",
                    PYTHONUNBUFFERED="1")  # fmt: skip
    assert command.stdout is not None
    command.stdout.close()
    assert command.stderr is not None
    errors = command.stderr.read()
    assert command.wait(60.0) == 0 and silent(errors), errors
    assert (tmp_path / "answer.wav").is_file()


@pytest.mark.parametrize(
    ("shell", "status"),
    [
        ("{} --help | head -1; exit ${{PIPESTATUS[0]}}", 0),
        ("{} --help >&-", 0),
        ("{} doctor --nonsense 2>&-", 2),
        ("{} --help 2>&- >&- <&-", 0),
    ],
)
def test_closed_streams_are_no_fault(shell: str, status: int) -> None:
    done = subprocess.run(
        ["bash", "-c", shell.format(" ".join(COMMAND))],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == status and silent(done.stderr), done.stderr


def test_a_full_disk_under_the_standard_output_is_told(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    full = tmp_path / "full"
    os.mknod(full, 0o020666, os.makedev(1, 7))
    with full.open("w") as output:
        done = subprocess.run([*COMMAND, "--help"], cwd=ROOT, stdout=output, stderr=-1, text=True)
    assert done.returncode == 2
    assert done.stderr == "personaplex: error: the standard output: No space left on device\n"


def test_what_an_encoding_does_not_know_is_written_as_its_number() -> None:
    code = (
        "from personaplex_ros.cli.streams import open_streams; open_streams();"
        "print('caf\\u00e9 \\u4f60\\udcff')"
    )
    for encoding in ("ascii", "latin-1", "utf-8"):
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, capture_output=True,
            env={**os.environ, "PYTHONIOENCODING": encoding},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        expected = "café \u4f60\udcff\n".encode(encoding, "backslashreplace")
        assert done.stdout == expected
