"""What a check is asked and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


class Status(str, Enum):
    """How good a finding is: fine, fine with a reserve, or in the way of a conversation."""

    OK = "OK"
    WARN = "WARN"
    FAIL = "FAIL"


@dataclass(frozen=True)
class Setup:
    """What is to be run: a checkpoint (folder or bundled name) on a torch device or ``auto``."""

    checkpoint: str
    device: str


@dataclass(frozen=True)
class Finding:
    """One line of the page; ``command`` is for the user's shell, ``values`` are for programs."""

    subject: str
    status: Status
    found: str
    remedy: str = ""
    command: str = ""
    values: Mapping[str, float | str] = field(default_factory=dict)
