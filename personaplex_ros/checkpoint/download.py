"""Fetching a checkpoint from the Hugging Face hub; what has arrived survives an interruption.

The requests are huggingface_hub's (token, mirror by HF_ENDPOINT, proxies, retries). Where they go
is ours: its own download leaves nothing of a file that was interrupted, and here one has 16.7 GB.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from huggingface_hub import constants, get_hf_file_metadata, get_token, hf_hub_url
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.file_download import http_get
from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

from personaplex_ros.checkpoint.files import MIMI, MODEL, TOKENIZER, CheckpointFiles
from personaplex_ros.checkpoint.inspection import inspect
from personaplex_ros.checkpoint.weights_file import is_inside
from personaplex_ros.files import check_output_folder, give_name, told
from personaplex_ros.text_file import read_json
from personaplex_ros.units import readable

PUBLISHED = "nvidia/personaplex-7b-v1"
CONFIG = "config.json"
VOICES = "voices.tgz"
HASHES: Mapping[int, str] = {64: "sha256", 40: "sha1"}  # by length of the hub's entity tag
BLOCK = 1 << 22  # bytes
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)

# Errors of the HTTP library below huggingface_hub, which is another one in each major version.
_TRANSPORT_ERRORS: tuple[type[BaseException], ...] = (OSError, *HfHubHTTPError.__bases__)


@dataclass(frozen=True)
class RemoteFile:
    """A file of a repository at one commit: name, size in bytes, and the hub's digest of it."""

    name: str
    url: str
    size: int
    digest: str
    commit: str


@dataclass(frozen=True)
class Repository:
    """A model repository of the hub at a revision: a branch, a tag or a commit."""

    name: str
    revision: str

    def look(self, name: str) -> RemoteFile:
        """Ask the hub about one file. Raises EntryNotFoundError, RuntimeError with the remedy."""
        url = hf_hub_url(self.name, name, revision=self.revision)
        with _explained(self, name):
            found = get_hf_file_metadata(url)
            if found.size is None or not found.etag or not found.commit_hash:
                raise RuntimeError(
                    f"{constants.ENDPOINT} does not say size, tag and commit of {name}, so it is "
                    "not a Hugging Face hub; check HF_ENDPOINT"
                )
        return RemoteFile(name, url, found.size, found.etag, found.commit_hash)


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
    files = _look_all(repository, config, say)
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
    repository: Repository, config: Mapping[str, Any], say: Callable[[str], None]
) -> list[RemoteFile]:
    files, absent = [], []
    # The weights are last: a folder that holds them holds everything.
    for name in [VOICES, *reversed(needed_files(config))]:
        try:
            files.append(repository.look(name))
        except EntryNotFoundError:
            absent.append(name)
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
        with _explained(repository, file.name):
            if arrived < file.size:
                _receive(file, output, arrived)
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


def _receive(file: RemoteFile, output: BinaryIO, arrived: int) -> None:
    # Compressed transfers have no byte ranges, so that they could not be resumed.
    headers = {**build_hf_headers(), "Accept-Encoding": "identity"}
    try:
        http_get(
            file.url,
            output,
            resume_size=arrived,
            headers=headers,
            expected_size=file.size,
            displayed_filename=file.name,
        )
    except HfHubHTTPError as error:
        if error.response.status_code == 416:  # it was shorter than stated, and ends before here
            output.truncate(0)
            raise RuntimeError(
                f"{file.name}: the server holds less than the {readable(file.size)} that it "
                "states; the part here was deleted, run the command again"
            ) from error
        raise


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


@contextmanager
def _explained(repository: Repository, name: str) -> Iterator[None]:
    """Turn what the hub or the network answers into what to do about it."""
    try:
        yield
    except RevisionNotFoundError as error:
        raise RuntimeError(f"{repository.name} has no revision {repository.revision!r}") from error
    except EntryNotFoundError:
        raise
    except GatedRepoError as error:
        raise RuntimeError(_refused(repository, error)) from error
    except RepositoryNotFoundError as error:
        raise RuntimeError(
            f"{constants.ENDPOINT} knows no repository {repository.name!r}, or it is private; "
            "check the name, or log in with `hf auth login` (or set HF_TOKEN)"
        ) from error
    except HfHubHTTPError as error:
        raise RuntimeError(_answered(repository, name, error)) from error
    except OfflineModeIsEnabled as error:
        raise RuntimeError(
            "HF_HUB_OFFLINE is set, so nothing is downloaded; unset it and run the command again"
        ) from error
    except _TRANSPORT_ERRORS as error:
        if isinstance(error, OSError) and (error.filename or error.errno in DISK_FULL):
            raise
        raise RuntimeError(
            f"{name}: the connection to {constants.ENDPOINT} failed ({_first_line(error)}); what "
            "has arrived is kept. Check network and proxy, or set HF_ENDPOINT to a mirror, and "
            "run the command again to continue"
        ) from error


def _refused(repository: Repository, error: HfHubHTTPError) -> str:
    token = "Your token is not of an account that was granted access, or may not read gated models."
    return (
        f"access to {repository.name} was refused ({error.response.status_code}): it is gated. "
        f"{token if get_token() else 'No token was given.'}\n"
        f"  1. Accept the licence at https://huggingface.co/{repository.name} with your account.\n"
        "  2. Make a token at https://huggingface.co/settings/tokens: type Read, or fine-grained "
        "with access to public gated repositories.\n"
        "  3. Give it with `hf auth login`, or as HF_TOKEN, and run the command again."
    )


def _answered(repository: Repository, name: str, error: HfHubHTTPError) -> str:
    status = error.response.status_code
    remedy = "try again later; what has arrived is kept"
    if status == 401:
        remedy = "the token is not valid: renew it with `hf auth login`, or correct HF_TOKEN"
    elif status == 403:
        remedy = (
            f"the token may not read it: accept the licence at https://huggingface.co/"
            f"{repository.name}, and give the token access to public gated repositories "
            "(https://huggingface.co/settings/tokens)"
        )
    said = f" ({error.server_message})" if error.server_message else ""
    return f"{name}: {constants.ENDPOINT} answered {status}{said}; {remedy}"


def _first_line(error: BaseException) -> str:
    lines = str(error).splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
