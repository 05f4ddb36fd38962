"""What docs/server.md says of limits, options and codes is so."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import pytest

from personaplex_ros.cli.serve import add_arguments
from personaplex_ros.server.limits import Limits
from personaplex_ros.server.line import CLOSE_CODES

TEXT = (Path(__file__).parent.parent / "docs" / "server.md").read_text(encoding="utf-8")
LIMITS = Limits()


def row(begin: str) -> str:
    """Return the row of a table that begins so."""
    found = [line for line in TEXT.splitlines() if line.startswith(f"| {begin}")]
    assert len(found) == 1, begin
    return found[0]


@pytest.mark.parametrize(
    ("begin", "said"),
    [
        ("connections", f"{LIMITS.connections};"),
        ("until a connection", f"{LIMITS.request_s:g} s"),
        ("until a persona", f"{LIMITS.opening_s:g} s"),
        ("a message |", f"{LIMITS.message_bytes >> 10} KiB; {LIMITS.messages_a_second} a second"),
        ("no audio", f"{LIMITS.idle_s:g} s"),
        ("no sign of life", f"after {LIMITS.alive_s:g} s | {1.5 * LIMITS.alive_s:g} s"),
        ("audio that was late", f"{LIMITS.catch_up_s:g} s; of what else waits beyond "
         f"{LIMITS.backlog_s:g} s"),
        ("speech that waits", f"{LIMITS.unsent_s:g} s;"),
        ("`text_prompt`", f"up to {LIMITS.prompt_characters} characters"),
        ("1008", f"ahead of time by more than {LIMITS.ahead_s:g} s"),
    ],
)  # fmt: skip
def test_limits(begin: str, said: str) -> None:
    assert said in row(begin)


def test_times_in_the_text() -> None:
    assert f"request line of more than {LIMITS.request_line_bytes >> 10} KiB" in TEXT
    assert f"does not come for {LIMITS.silence_after_s:g} s" in TEXT
    assert f"stands still for {LIMITS.resume_s:g} s" in TEXT


def test_codes() -> None:
    for code in set(CLOSE_CODES.values()):
        assert row(str(code))


def test_options() -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    known = set(parser._option_string_actions)
    named = set(re.findall(r"`(--[a-z-]+)", TEXT))
    assert {"--sessions", "--token-file", "--drain", "--log-words"} <= named
    assert named - {"--help", "--empty"} <= known
