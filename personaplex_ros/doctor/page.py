"""The page: findings as lines for a terminal, or as plain data for a program."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Mapping
from typing import Any, TextIO

from personaplex_ros.doctor.examination import Section
from personaplex_ros.doctor.finding import Finding, Setup, Status

WIDEST = 100  # columns; longer lines are hard to read
MARGIN = 21  # columns before what was found: status and subject
COLOURS = {Status.OK: "32", Status.WARN: "33", Status.FAIL: "31"}  # SGR (ECMA-48)


def render(sections: list[Section], setup: Setup, columns: int, colour: bool) -> str:
    """Write the page for a terminal of so many columns; commands are never broken."""
    width = max(min(columns, WIDEST), MARGIN + 30)
    lines = [f"Checkpoint {setup.checkpoint}, device {setup.device}"]
    for section in sections:
        lines += ["", _styled(section.title, "1", colour)]
        for finding in section.findings:
            lines += _finding(finding, width, colour)
    return "\n".join([*lines, "", *textwrap.wrap(verdict(sections), width)])


def verdict(sections: list[Section]) -> str:
    """Say in one sentence what all of it means."""
    findings = [finding for section in sections for finding in section.findings]
    failed = [f.subject for f in findings if f.status is Status.FAIL]
    warned = [f.subject for f in findings if f.status is Status.WARN]
    if failed:
        return f"Not ready: {', '.join(failed)}."
    if warned:
        return f"Ready. Worth a look: {', '.join(warned)}."
    return "Ready."


def ready(sections: list[Section]) -> bool:
    """Tell whether nothing failed."""
    return all(f.status is not Status.FAIL for section in sections for f in section.findings)


def as_data(sections: list[Section], setup: Setup) -> dict[str, Any]:
    """Return the page for a JSON file; values are in bytes, bytes a second and seconds."""
    return {
        "checkpoint": setup.checkpoint,
        "device": setup.device,
        "ready": ready(sections),
        "findings": [
            {
                "section": section.title,
                "subject": finding.subject,
                "status": finding.status.value,
                "found": finding.found,
                "remedy": finding.remedy,
                "command": finding.command,
                "values": dict(finding.values),
            }
            for section in sections
            for finding in section.findings
        ],
    }


def wants_colour(stream: TextIO, environment: Mapping[str, str] = os.environ) -> bool:
    """Tell whether to colour: on a terminal, unless NO_COLOR is set (no-color.org)."""
    return stream.isatty() and not environment.get("NO_COLOR")


def _finding(finding: Finding, width: int, colour: bool) -> list[str]:
    text = textwrap.wrap(finding.found, width - MARGIN, break_on_hyphens=False) or [""]
    status = _styled(f"{finding.status.value:<4}", COLOURS[finding.status], colour)
    lines = [f"  {status}  {finding.subject:<13}{text[0]}"]
    lines += [" " * MARGIN + line for line in text[1:]]
    remedy = textwrap.wrap(finding.remedy, width - MARGIN - 3, break_on_hyphens=False)
    for number, line in enumerate(remedy):
        lines.append(" " * MARGIN + ("-> " if number == 0 else "   ") + line)
    if finding.command:
        lines.append(" " * 8 + _styled(finding.command, "1", colour))
    return lines


def _styled(text: str, code: str, colour: bool) -> str:
    return f"\033[{code}m{text}\033[0m" if colour else text
