"""Runs all checks; one that breaks becomes a finding itself."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass

from personaplex_ros.doctor.finding import Finding, Setup, Status

# Modules are imported one by one, inside the guard: what is broken may be torch itself.
SECTIONS = {
    "Machine": ("system", "accelerator"),
    "Model": ("weights", "personas", "memory", "pace"),
    "Sound": ("sound",),
    "ROS and DDS": ("ros", "dds", "zenoh_graph"),
}


@dataclass(frozen=True)
class Section:
    """Findings under one heading."""

    title: str
    findings: list[Finding]


def examine(setup: Setup) -> list[Section]:
    """Run every check; never raises for what a check finds or does."""
    return [
        Section(title, [finding for name in names for finding in guarded(name, setup)])
        for title, names in SECTIONS.items()
    ]


def guarded(name: str, setup: Setup) -> list[Finding]:
    """Run the check in the module of that name; an exception is a finding too."""
    try:
        module = importlib.import_module(f"personaplex_ros.doctor.{name}")
        check: Callable[[Setup], list[Finding]] = module.check
        return check(setup)
    except ImportError as error:
        missing = (error.name or "").partition(".")[0]
        remedy = f"install the Python package that provides {missing!r}" if missing else ""
        return [Finding(name.capitalize(), Status.FAIL, str(error), remedy)]
    except Exception as error:  # the page has to be complete whatever is broken
        text = str(error).strip() or "no text"
        return [
            Finding(
                name.capitalize(), Status.FAIL, f"{type(error).__name__}: {text.splitlines()[0]}"
            )
        ]
