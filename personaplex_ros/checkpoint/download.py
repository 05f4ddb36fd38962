"""Fetching a checkpoint from the Hugging Face hub; what has arrived survives an interruption.

Where the content goes is ours, not huggingface_hub's: its own download leaves nothing of a file
that was interrupted, and here one has 16.7 GB.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from huggingface_hub import constants
from huggingface_hub.errors import EntryNotFoundError

from personaplex_ros.checkpoint.files import MIMI, MODEL, TOKENIZER, CheckpointFiles
from personaplex_ros.checkpoint.hub import RemoteFile, Repository, explained, receive
from personaplex_ros.checkpoint.inspection import inspect
from personaplex_ros.checkpoint.listening import LISTENING
from personaplex_ros.checkpoint.weights_file import INDEX, is_inside, shard_names
from personaplex_ros.files import check_output_folder, give_name, told
from personaplex_ros.text_file import read_json
from personaplex_ros.units import readable

PUBLISHED = "nvidia/personaplex-7b-v1"
CONFIG = "config.json"
VOICES = "voices.tgz"
HASHES: Mapping[int, str] = {64: "sha256", 40: "sha1"}  # by length of the hub's entity tag
BLOCK = 1 << 22  # bytes


def download(
    repository: Repository, folder: Path, say: Callable[[str], None] = print
) -> CheckpointFiles:
    """Fetch the files that a checkpoint needs, and check them.

    Files that are there and right are not fetched again. Raises RuntimeError that tells what to do
    when the hub refuses, cannot be reached, lacks a file or sends something else than it states;
    ValueError when the files do not belong together; OSError when the folder cannot be written.
    """
    check_output_folder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        first = repository.look(CONFIG)
    except EntryNotFoundError:
        config = {}
    else:
        # All further files are of the commit that this one was of, whatever is pushed meanwhile.
        repository = Repository(repository.name, first.commit)
        _fetch(repository, first, folder, say)
        config = read_json(folder / CONFIG)
    files = _look_all(repository, config, folder, say)
    missing = [file for file in files if not _is_there(file, folder / file.name)]
    for file in files:
        if file not in missing:
            say(f"{file.name}: already there, {readable(file.size)}")
    for file in missing:
        place = folder / file.name
        check_output_folder(place.parent, (place.name,))
    _check_room(missing, folder)
    for file in missing:
        _fetch(repository, file, folder, say)
    found = CheckpointFiles.find(folder)
    inspect(found)
    return found


def needed_files(config: Mapping[str, Any]) -> list[str]:
    """Return the names of the files that a checkpoint with this config.json consists of.

    Raises ValueError for a name that leads out of the folder.
    """
    published = {"moshi_name": MODEL, "mimi_name": MIMI, "tokenizer_name": TOKENIZER}
    names = [str(config.get(key) or name) for key, name in published.items()]
    if config.get("mimi_config_name"):
        names.append(str(config["mimi_config_name"]))
    for name in names:
        if not is_inside(name):
            raise ValueError(f"{CONFIG} names {name!r}, which is not a file of the repository")
    return names


def cached_checkpoint(repository: str) -> Path:
    """Return the folder of a repository's checkpoint in huggingface_hub's home; fetch if absent.

    Nothing is asked of the hub when the files are there. Raises as ``download`` does.
    """
    folder = Path(constants.HF_HOME) / "personaplex" / repository.replace("/", "--")
    try:
        return CheckpointFiles.find(folder).directory
    except FileNotFoundError:
        return download(Repository(repository, "main"), folder).directory


def _look_all(
    repository: Repository, config: Mapping[str, Any], folder: Path, say: Callable[[str], None]
) -> list[RemoteFile]:
    files, absent = [], []
    with suppress(EntryNotFoundError):  # few have one
        files.append(repository.look(LISTENING))
    # The weights are last: a folder that holds them holds everything.
    for name in [VOICES, *reversed(needed_files(config))]:
        try:
            files.append(repository.look(name))
        except EntryNotFoundError:
            shards = _look_shards(repository, name, folder, say)
            files += shards
            absent += [] if shards else [name]
    if VOICES in absent:
        absent.remove(VOICES)
        if config.get("model_type", "personaplex") != "moshi":
            say(f"{repository.name} has no {VOICES}: personas need voices of your own, as .wav")
    if absent:
        raise RuntimeError(
            f"{repository.name} at {repository.revision} has no {', '.join(absent)}; it is not a "
            "PersonaPlex or Moshi checkpoint in the published layout"
        )
    return files


def _look_shards(
    repository: Repository, name: str, folder: Path, say: Callable[[str], None]
) -> list[RemoteFile]:
    """Return the shards of weights that are not in one file; none if they are not there so either.

    Their index is fetched, which names them.
    """
    if not name.endswith(".safetensors"):
        return []
    try:
        index = repository.look(f"{name}{INDEX}")
    except EntryNotFoundError:
        return []
    _fetch(repository, index, folder, say)
    shards, absent = [], []
    for shard in shard_names(folder / index.name):
        try:
            shards.append(repository.look(str(PurePosixPath(name).with_name(shard))))
        except EntryNotFoundError:
            absent.append(shard)
    if absent:
        raise RuntimeError(
            f"{repository.name} at {repository.revision} has no {', '.join(absent)}, which "
            f"{index.name} names; the repository is not complete"
        )
    return shards


def _check_room(files: list[RemoteFile], folder: Path) -> None:
    needed = sum(file.size for file in files) - sum(_size(_partial(f, folder)) for f in files)
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise RuntimeError(
            f"{folder} has {readable(free)} free, the download needs {readable(needed)} more; "
            "make room or choose a folder on another disk"
        )


def _fetch(
    repository: Repository, file: RemoteFile, folder: Path, say: Callable[[str], None]
) -> None:
    """Bring one file to its place: to a partial file, checked, then renamed."""
    place = _place(file, folder)
    if _is_there(file, place):
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    partial = _partial(file, folder)
    with told(place), _locked(partial) as output:
        arrived = output.tell()
        if arrived > file.size:
            output.truncate(0)
            output.seek(0)
            arrived = 0
        state = f", continuing at {readable(arrived)}" if arrived else ""
        say(f"{file.name}: {readable(file.size)}{state}")
        with explained(repository, file.name):
            if arrived < file.size:
                receive(file, output, arrived)
        output.flush()
        if not _matches(file, partial):
            partial.unlink()
            raise RuntimeError(
                f"{file.name}: what arrived is not what the hub states (tag {file.digest}), so it "
                "was deleted; run the command again, and if this happens again, look for a proxy "
                "or mirror that alters files"
            )
        give_name(partial, place)
    for outdated in place.parent.glob(f"{place.name}.*.incomplete"):  # of other revisions
        outdated.unlink()


@contextmanager
def _locked(partial: Path) -> Iterator[BinaryIO]:
    with open(partial, "ab") as output:
        try:
            fcntl.flock(output, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RuntimeError(f"another download is writing {partial}; wait for it") from error
        yield output


def _partial(file: RemoteFile, folder: Path) -> Path:
    place = _place(file, folder)
    return place.with_name(f"{place.name}.{file.digest[:12]}.incomplete")


def _place(file: RemoteFile, folder: Path) -> Path:
    """Return where a file belongs, whatever links lead there."""
    return Path(os.path.realpath(folder / file.name))


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _is_there(file: RemoteFile, place: Path) -> bool:
    return place.is_file() and _matches(file, place)


def _matches(file: RemoteFile, path: Path) -> bool:
    """Compare size and digest: SHA-256 of large files, git's blob SHA-1 of small ones."""
    if _size(path) != file.size:
        return False
    kind = HASHES.get(len(file.digest))
    if kind is None:  # a mirror with tags of its own
        return True
    digest = hashlib.new(kind, b"" if kind == "sha256" else b"blob %d\0" % file.size)
    with open(path, "rb") as content:
        while block := content.read(BLOCK):
            digest.update(block)
    return digest.hexdigest() == file.digest
