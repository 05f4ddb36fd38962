"""Commands as processes: what ends them, what they leave, and who reads what they print."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import psutil
import pytest
import soundfile
from server_support import HANDSHAKE, Caller, calling, never

ROOT = Path(__file__).parent.parent
COMMAND = (sys.executable, "-m", "personaplex_ros")
LOOK_S = 0.05
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a command in a folder of its own; what is left of it after the test is killed."""
    started: list[psutil.Process] = []

    def run(*words: str, program: Sequence[str] = COMMAND, **options: str) -> subprocess.Popen[str]:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), **options}
        command = subprocess.Popen(
            [*program, *words],
            cwd=tmp_path,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=plain_signals,
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
    return recording(tmp_path, 1)


def plain_signals() -> None:
    """Take back what nohup or a job in the background lets a process ignore."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def recording(folder: Path, seconds: int) -> str:
    path = folder / "question.wav"
    noise = np.random.default_rng(0).uniform(-0.1, 0.1, 24_000 * seconds)
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


def handles(process: int, number: signal.Signals) -> bool:
    """Tell whether a process has a handler for a signal; Python has one for SIGINT alone."""
    status = Path(f"/proc/{process}/status").read_text()
    (mask,) = re.findall(r"^SigCgt:\s*(\w+)$", status, re.MULTILINE)
    return bool(int(mask, 16) >> (number - 1) & 1)


def imports_torch(process: int) -> bool:
    return "libtorch" in Path(f"/proc/{process}/maps").read_text()


def read_until(command: subprocess.Popen[str], words: str) -> str:
    """Return the line with these words."""
    assert command.stdout is not None
    for line in command.stdout:
        if words in line:
            return line
    assert command.stderr is not None
    pytest.fail(f"it never said {words!r}: {command.stderr.read()}")


def silent(errors: str) -> bool:
    return not any(word in errors for word in ("Traceback", "Exception", "Error"))


# Children end with their parent

needs_cyclone = pytest.mark.usefixtures("cyclone")


@pytest.mark.parametrize(
    ("words", "number", "stage"),
    [
        (["demo"], signal.SIGTERM, lambda child: True),
        (["simulate"], signal.SIGHUP, imports_torch),
        pytest.param(
            ["train", "--output", "checkpoint"], signal.SIGKILL,
            lambda child: "spawn_main" in " ".join(psutil.Process(child).cmdline()),
            marks=pytest.mark.long,
        ),
    ],
    ids=["demo", "simulate", "train"],
)  # fmt: skip
def test_children_end_with_their_command(
    request: pytest.FixtureRequest,
    start: Start,
    words: list[str],
    number: signal.Signals,
    stage: Callable[[int], bool],
) -> None:
    if words[0] != "train":
        request.getfixturevalue("cyclone")
    command = start(*words)
    wait_for(lambda: any(stage(child.pid) for child in children_of(command.pid)))
    children = children_of(command.pid)
    command.send_signal(number)
    _, errors = command.communicate(timeout=20.0)  # the pipes close when all have ended
    _, alive = psutil.wait_procs(children, timeout=10.0)
    assert alive == []
    if number is signal.SIGKILL:  # a worker that had just begun tells what it misses
        assert command.returncode == -number
    else:
        assert command.returncode == 128 + number and silent(errors), errors


@needs_cyclone
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_node_that_talks_ends_with_its_demo(start: Start, number: signal.Signals) -> None:
    command = start("demo")
    read_until(command, "speaks for")
    (node,) = children_of(command.pid)
    os.killpg(command.pid, number)  # as a terminal does at Ctrl-C
    _, errors = command.communicate(timeout=30.0)
    psutil.wait_procs([node], timeout=10.0)
    assert not node.is_running()
    assert command.returncode == (130 if number is signal.SIGINT else -number)
    assert silent(errors), errors


# Ctrl-C. Before our first line has run, Python ends of it as it does: with KeyboardInterrupt.


def begun(command: subprocess.Popen[str]) -> None:
    wait_for(lambda: handles(command.pid, signal.SIGTERM))


def importing(command: subprocess.Popen[str]) -> None:
    wait_for(lambda: imports_torch(command.pid))


def working(command: subprocess.Popen[str]) -> None:
    read_until(command, "loaded in")


@pytest.mark.parametrize("stage", [begun, importing, working])
def test_ctrl_c_says_nothing_and_leaves_nothing(
    start: Start, tmp_path: Path, stage: Callable[[subprocess.Popen[str]], None]
) -> None:
    question = recording(tmp_path, 120)  # it does not end before it is interrupted
    command = start("offline", "--input-wav", question, "--output-wav", "answer.wav",
                    PYTHONUNBUFFERED="1")  # fmt: skip
    stage(command)
    command.send_signal(signal.SIGINT)
    _, errors = command.communicate(timeout=20.0)
    assert command.returncode == 130 and silent(errors), errors
    assert [path.name for path in tmp_path.iterdir()] == ["question.wav"]


IMPORTS_FOR_LONG = """
import importlib.abc, sys, time

class Slow(importlib.abc.MetaPathFinder):
    def find_spec(self, name, *_):
        if name == "personaplex_ros.interruption":
            print("importing", flush=True)
            time.sleep(60)

sys.meta_path.insert(0, Slow())
from personaplex_ros.program import main
sys.exit(main())
"""


def test_ctrl_c_while_the_first_of_our_modules_is_imported_says_nothing(start: Start) -> None:
    command = start("serve", program=(sys.executable, "-c", IMPORTS_FOR_LONG))
    read_until(command, "importing")
    command.send_signal(signal.SIGINT)
    _, errors = command.communicate(timeout=20.0)
    assert command.returncode == -signal.SIGINT and errors == ""


def test_a_second_signal_ends_a_server_that_waits_for_a_conversation(start: Start) -> None:
    server = start("serve", "--port", "0", "--sessions", "1", PYTHONUNBUFFERED="1")
    url = read_until(server, "listening at ws://").split()[2].rstrip(",")

    async def end_twice(caller: Caller) -> None:
        await caller.listen(lambda heard: HANDSHAKE in heard.kinds)
        server.send_signal(signal.SIGTERM)
        await asyncio.to_thread(wait_for, lambda: not handles(server.pid, signal.SIGTERM))
        assert server.poll() is None
        server.send_signal(signal.SIGINT)
        await caller.listen(never)

    calling(url, end_twice)
    _, errors = server.communicate(timeout=20.0)
    assert server.returncode == -signal.SIGINT and silent(errors), errors


WAITS_AT_THE_END = """
import atexit, sys

def wait():
    print("the work is done", flush=True)
    sys.stdin.read()

atexit.register(wait)
from personaplex_ros.cli import main
sys.exit(main())
"""


@pytest.mark.parametrize(("words", "status"), [("timeline nothing", 2), ("--version", 0)])
def test_ctrl_c_when_the_work_is_done_changes_nothing(
    start: Start, words: str, status: int
) -> None:
    command = start(*words.split(), program=(sys.executable, "-c", WAITS_AT_THE_END))
    read_until(command, "the work is done")
    command.send_signal(signal.SIGINT)
    _, errors = command.communicate(timeout=20.0)
    assert command.returncode == status and "Traceback" not in errors, errors


LOADS_FOR_LONG = """
import sys, time
from personaplex_ros.node.bare.host import main

def load(*arguments):
    print("loading", flush=True)
    time.sleep(60)

sys.exit(main([], load))
"""


@needs_cyclone
def test_a_second_ctrl_c_ends_a_node_at_once_and_says_nothing(start: Start) -> None:
    node = start(program=(sys.executable, "-c", LOADS_FOR_LONG),
                 ROS_AUTOMATIC_DISCOVERY_RANGE="OFF")  # fmt: skip
    read_until(node, "loading")
    node.send_signal(signal.SIGINT)
    wait_for(lambda: not handles(node.pid, signal.SIGINT))
    assert node.poll() is None
    node.send_signal(signal.SIGINT)
    _, errors = node.communicate(timeout=20.0)
    assert node.returncode == -signal.SIGINT and silent(errors), errors


@pytest.mark.parametrize(
    "name", ["personaplex_node", "personaplex_microphone", "personaplex_simulation"]
)
def test_ctrl_c_while_a_node_imports_ros_says_nothing(
    start: Start, tmp_path: Path, name: str
) -> None:
    slow = 'import time\nprint("importing", flush=True)\ntime.sleep(60)\n'
    (tmp_path / "rclpy.py").write_text(slow)  # stands here for ROS, which not every machine has
    program = (sys.executable, str(ROOT / "scripts" / name))
    node = start(program=program, PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}")
    read_until(node, "importing")
    node.send_signal(signal.SIGINT)
    _, errors = node.communicate(timeout=20.0)
    assert node.returncode == 130 and errors == ""


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
