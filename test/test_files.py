"""What is written: through links and into devices, whole or not at all, refused before the work."""

from __future__ import annotations

import contextlib
import io
import os
import resource
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from node_support import RATE, robot

from personaplex_ros.audio import write_wave
from personaplex_ros.cli import main
from personaplex_ros.files import check_output, write_whole
from personaplex_ros.resources import share_directory

OLD = b"old" * 100
SPEECH = np.full(RATE, 0.5, np.float32)
FULL = r"no space left on device; make room|larger than is allowed here"
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def write_text(path: Path) -> None:
    write_whole(path, lambda place: place.write_text("new"))


def write_speech(path: Path) -> None:
    write_wave(path, SPEECH, RATE)


def write_much(path: Path) -> None:
    write_whole(path, lambda place: place.write_bytes(b"." * 48_000))


writers = pytest.mark.parametrize("write", [write_text, write_speech])


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a folder in which files have room for 32 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=32k", "tmpfs", str(folder)]
    if os.geteuid() == 0 and subprocess.run(mount, capture_output=True).returncode == 0:
        yield folder
        subprocess.run(["umount", str(folder)], check=True)
    else:
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 15, limits[1]))
        yield folder
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@contextlib.contextmanager
def folder_of_root() -> Iterator[Path]:
    """Be nobody for the length of the block, in a folder where nobody may make a file."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        yield Path(name)


@contextlib.contextmanager
def nobody() -> Iterator[None]:
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


# Through links and into what is no regular file


@writers
def test_links_are_followed_and_the_mode_stays(tmp_path: Path, write: Callable) -> None:
    file, link, first = (tmp_path / name for name in ("file", "link", "first"))
    file.write_bytes(OLD)
    file.chmod(0o642)
    link.symlink_to("file")
    first.symlink_to(link)
    write(first)
    assert first.is_symlink() and link.is_symlink() and file.read_bytes() != OLD
    assert stat.S_IMODE(file.stat().st_mode) == 0o642
    assert len(list(tmp_path.iterdir())) == 3


@writers
def test_a_link_to_nothing_yet_makes_the_file_it_leads_to(tmp_path: Path, write: Callable) -> None:
    (tmp_path / "link").symlink_to("file")
    write(tmp_path / "link")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "file").stat().st_size > 0


@writers
def test_all_names_of_a_file_show_what_is_written(tmp_path: Path, write: Callable) -> None:
    file, other = tmp_path / "file", tmp_path / "other"
    file.write_bytes(OLD * 1000)
    other.hardlink_to(file)
    write(file)
    assert file.samefile(other) and OLD not in other.read_bytes()


def test_attributes_stay(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(OLD)
    try:
        os.setxattr(file, "user.origin", b"lobby")
    except OSError:
        pytest.skip("no extended attributes here")
    write_text(file)
    assert os.getxattr(file, "user.origin") == b"lobby"


def test_a_fifo_is_written_into(tmp_path: Path) -> None:
    fifo, heard = tmp_path / "fifo", []
    os.mkfifo(fifo)
    check_output(fifo)  # does not wait for a reader
    reader = threading.Thread(target=lambda: heard.append(fifo.read_bytes()))
    reader.start()
    write_speech(fifo)
    reader.join(10.0)
    samples, rate = soundfile.read(io.BytesIO(heard[0]))
    assert rate == RATE and len(samples) == len(SPEECH)
    assert fifo.is_fifo() and [path.name for path in tmp_path.iterdir()] == ["fifo"]


@as_root
@writers
def test_a_device_stays_the_device_it_is(tmp_path: Path, write: Callable) -> None:
    for name, minor in (("null", 3), ("full", 7)):
        os.mknod(tmp_path / name, stat.S_IFCHR | 0o666, os.makedev(1, minor))
    write(tmp_path / "null")
    with pytest.raises(OSError, match=f"cannot write .*full: {FULL}"):
        write(tmp_path / "full")
    for name in ("null", "full"):
        assert (tmp_path / name).is_char_device()


@as_root
@writers
def test_owners_stay(tmp_path: Path, write: Callable) -> None:
    file = tmp_path / "file"
    file.write_bytes(OLD)
    os.chown(file, 1234, 4321)
    write(file)
    assert (file.stat().st_uid, file.stat().st_gid) == (1234, 4321) and file.read_bytes() != OLD


@as_root
@writers
def test_a_file_in_a_folder_of_others_is_overwritten(write: Callable) -> None:
    with folder_of_root() as folder:
        file, locked = folder / "file", folder / "locked"
        for path, mode in ((file, 0o666), (locked, 0o644)):
            path.write_bytes(OLD)
            path.chmod(mode)
        with nobody():
            write(file)
            for path in (locked, folder / "new"):
                with pytest.raises(PermissionError, match=f"{path.name}: permission denied"):
                    write(path)
        assert file.read_bytes() != OLD and file.stat().st_uid == 0
        assert locked.read_bytes() == OLD and len(list(folder.iterdir())) == 2


# A full disk


@pytest.mark.parametrize("links", [1, 2], ids=["replaced", "overwritten"])
def test_a_full_disk_leaves_the_old_file_and_nothing_else(full_disk: Path, links: int) -> None:
    file = full_disk / "speech.wav"
    file.write_bytes(OLD)
    if links == 2:
        (full_disk / "other").hardlink_to(file)
    for write in (write_speech, write_much):
        with pytest.raises(OSError, match=rf"cannot write .*speech\.wav: ({FULL})"):
            write(file)
        assert file.read_bytes() == OLD and len(list(full_disk.iterdir())) == links


def test_the_robot_talks_on_when_its_recording_fills_the_disk(full_disk: Path) -> None:
    file = full_disk / "speech.wav"
    file.write_bytes(OLD)
    with robot(audio_sink=f"file:{file}") as r:
        r.hear(20, level=1000)  # 77 kB
        said = [text for level, text in r.bus.lines if level == "error"]
        first, second = (r.bus.diagnostics()["conversation"] for _ in range(2))
        r.hear(2, level=2000)
        assert set(r.bus.topics["audio_out"][-1].data) == {2000}
    assert len(said) == 1 and "speech is no longer recorded: cannot write" in said[0]
    assert (first.level, second.level) == (1, 0), "it is told once"
    assert first.message == second.values["sink problem"] == said[0]
    assert file.read_bytes() == OLD and [p.name for p in full_disk.iterdir()] == ["speech.wav"]


# Refused before the work


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("no/such/file", "no/such does not exist; make it first"),
        ("folder", "it is a folder; name a file"),
        ("file/below", "is no folder"),
        ("n" * 300, "the name is too long"),
        ("circle", "its links lead in a circle"),
        ("socket", "it is a block device or a socket; name a file"),
    ],
)
def test_what_cannot_be_written_is_refused_in_words(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "circle").symlink_to("circle")
    os.mknod(tmp_path / "socket", stat.S_IFSOCK | 0o666)
    for attempt in (check_output, write_text, write_speech):
        with pytest.raises(OSError, match="cannot write") as refused:
            attempt(tmp_path / name)
        assert reason in str(refused.value) and "[Errno" not in str(refused.value)
    assert len(list(tmp_path.iterdir())) == 4


OFFLINE = ["offline", "--input-wav", str(share_directory() / "config" / "demo" / "caller.wav")]
EVALUATE = ["evaluate", "--task", "smooth_turn_taking", "--data"]


@pytest.mark.parametrize(
    "words",
    [
        [*OFFLINE, "--output-wav", "FILE"],
        [*OFFLINE, "--output-text", "FILE"],
        [*OFFLINE, "--timeline", "FILE"],
        ["demo", "--output", "FOLDER"],
        ["simulate", "--output", "FOLDER"],
        [*EVALUATE, ".", "--json", "FILE"],
        [*EVALUATE, ".", "--timelines", "FOLDER"],
        [*EVALUATE, "FOLDER", "--synthetic", "1"],
        ["train", "--output", "FOLDER"],
        ["train", "--output", "new", "--work", "FOLDER"],
        ["doctor", "--json", "FILE"],
        ["download", "FOLDER"],
    ],
    ids=lambda words: f"{words[0]} {words[-2]}",
)
def test_commands_refuse_an_output_before_their_work(
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    (tmp_path / "file").touch()
    for name in ("folder", "folder.png"):
        (tmp_path / name).mkdir()
    for file, folder in (("folder", "file"), ("", ""), ("n" * 300, "n" * 300)):
        given = [word.replace("FILE", file).replace("FOLDER", folder) for word in words]
        assert main(given) == 2
        told = capsys.readouterr()
        assert told.out == "", "it began to work"
        assert told.err.startswith("personaplex: error: ") and "[Errno" not in told.err
        assert any(reason in told.err for reason in ("folder", "is empty", "too long")), told.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder", "folder.png"]


def test_the_node_refuses_a_recording_before_it_loads_the_model(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / ".bashrc").write_text("alias a=b\n")
    for name, reason in (
        ("no/file", "no does not exist"), ("fifo", "is no regular file"),
        (".bashrc", "is no recording; name one that ends in .wav"),
    ):  # fmt: skip
        with robot(activate=False, audio_sink=f"file:{tmp_path / name}") as r:
            with pytest.raises(OSError, match=reason):
                r.conversation.configure()
            assert r.engine.prepared == []
    assert (tmp_path / ".bashrc").read_text() == "alias a=b\n"


def test_a_wave_to_the_standard_output_is_all_that_goes_there(tmp_path: Path) -> None:
    # A link of our own: what goes wrong here must not replace the system's /dev/stdout.
    (tmp_path / "stdout").symlink_to("/proc/self/fd/1")
    write_wave(tmp_path / "caller.wav", SPEECH, RATE)
    command = [sys.executable, "-m", "personaplex_ros", "offline", "--input-wav"]
    command += [str(tmp_path / "caller.wav"), "--output-wav", str(tmp_path / "stdout")]
    done = subprocess.run(command, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
    samples, rate = soundfile.read(io.BytesIO(done.stdout))
    assert rate == RATE and len(samples) == len(SPEECH)
    assert b"times real time" in done.stderr and (tmp_path / "stdout").is_symlink()
