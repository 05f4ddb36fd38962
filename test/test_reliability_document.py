"""Every test that docs/reliability.md names is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
PAGES = [TESTS.parent / "docs" / name for name in ("reliability.md", "security.md")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_tests_that_a_page_names_are_there(page: Path) -> None:
    named = re.findall(r"`(\w+)::([a-z0-9_]+)`", page.read_text(encoding="utf-8"))
    missing = [
        f"{file}::{test}"
        for file, test in named
        if not (path := TESTS / f"test_{file}.py").is_file()
        or f"def test_{test}(" not in path.read_text(encoding="utf-8")
    ]
    assert named and missing == []


def test_every_row_has_four_cells_and_a_test() -> None:
    rows = [line for line in PAGES[0].read_text("utf-8").splitlines() if line.startswith("| ")]
    assert len(rows) > 50
    for row in rows:
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        assert len(cells) == 4 and ("::" in cells[3] or cells[3] == "test"), row
