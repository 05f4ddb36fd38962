"""Asking the Hugging Face hub about files and for their content, and explaining its answers.

The requests are huggingface_hub's: token, mirror by HF_ENDPOINT, proxies, retries.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

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

from personaplex_ros.units import readable

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
        with explained(self, name):
            found = get_hf_file_metadata(url)
            if found.size is None or not found.etag or not found.commit_hash:
                raise RuntimeError(
                    f"{constants.ENDPOINT} does not say size, tag and commit of {name}, so it is "
                    "not a Hugging Face hub; check HF_ENDPOINT"
                )
        return RemoteFile(name, url, found.size, found.etag, found.commit_hash)


def receive(file: RemoteFile, output: BinaryIO, arrived: int) -> None:
    """Append to an output, of which ``arrived`` bytes are there, the rest of a file."""
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
def explained(repository: Repository, name: str) -> Iterator[None]:
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
