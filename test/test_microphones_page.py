"""What docs/microphones.md tells to set exists, and is accepted."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from personaplex_ros.audio.udp import parse_udp
from personaplex_ros.audio.udp.address import FORMATS
from personaplex_ros.node.devices.parameters import MICROPHONE_TABLE, SPEAKER_TABLE
from personaplex_ros.node.parameters.definition import Parameter
from personaplex_ros.node.parameters.table import PARAMETERS

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "microphones.md").read_text("utf-8")
TABLES = {"node": PARAMETERS, "microphone": MICROPHONE_TABLE, "speaker": SPEAKER_TABLE}
COMMANDS = re.findall(
    r"^personaplex (node|microphone|speaker) --ros-args ((?:[^\n]*\\\n)*[^\n]*)$",
    PAGE,
    re.MULTILINE,
)


def parameter(table: tuple[Parameter, ...], name: str) -> Parameter:
    (found,) = [p for p in table if p.name == name]
    return found


@pytest.mark.parametrize(("command", "words"), COMMANDS)
def test_every_command_sets_parameters_that_exist_to_values_that_are_accepted(
    command: str, words: str
) -> None:
    settings = re.findall(r'-p "?([a-z_]+):=(?:"([^"]+)"|([^\s"]+))', words)
    assert settings and len(settings) == words.count("-p ")
    for name, quoted, plain in settings:
        chosen = parameter(TABLES[command], name)
        value = quoted or plain
        chosen.check(int(value) if chosen.type is int else value)


def test_every_url_can_be_read_and_every_part_of_it_is_told() -> None:
    urls = re.findall(r"udp://[\d.]+:\d+[^\s\"]+", PAGE)
    assert len(urls) == 3 and {parse_udp(url).interface for url in urls} == {"eth0"}
    told = re.findall(r"^\| `(\w+)` \|", PAGE.partition("### UDP in general")[2], re.MULTILINE)
    assert told == ["rate", "channels", "format", "header", "interface", "sender"]
    assert all(f"`{name}`" in PAGE for name in FORMATS)


def test_the_parameters_that_are_named_exist() -> None:
    for name in ("audio_in_type", "audio_in_rate", "audio_out_type", "echo_cancellation"):
        assert parameter(PARAMETERS, name) and name in PAGE
