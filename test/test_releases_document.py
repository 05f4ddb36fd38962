"""docs/releases.md: every release with every middleware, in words that say what was run."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "releases.md").read_text("utf-8")
RELEASES = {"Humble": "3.10", "Jazzy": "3.12", "Kilted": "3.12", "Lyrical": "3.14"}
MIDDLEWARES = ("Cyclone DDS", "Fast DDS", "Connext", "Zenoh")


def rows() -> list[tuple[str, str, list[str]]]:
    """Return release, middlewares and the cells of the hosts."""
    found, release = [], ""
    for line in PAGE.partition("| release (Python)")[2].partition("\n\n")[0].splitlines()[2:]:
        first, middleware, *hosts = (cell.strip() for cell in line.strip("|").split("|"))
        release = first or release
        found.append((release, middleware, hosts))
    return found


def test_every_release_has_every_middleware_in_both_hosts() -> None:
    for name, python in RELEASES.items():
        of_it = [row for row in rows() if row[0] == f"{name} ({python})"]
        named = [word for _, middlewares, _ in of_it for word in middlewares.split(", ")]
        assert sorted(named) == sorted(MIDDLEWARES), name


def test_every_cell_says_whether_it_was_run() -> None:
    for release, middleware, hosts in rows():
        assert len(hosts) == 2, (release, middleware)
        for cell in hosts:
            said = re.match(r"run\b|reported|not tried|as Jazzy|the same|- ", cell)
            assert said, (release, middleware, cell)
