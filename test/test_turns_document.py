"""docs/turn_taking.md says what the tracker does and what the parameters are."""

from __future__ import annotations

import importlib.util
import re
import sys
from dataclasses import fields
from pathlib import Path
from types import ModuleType

import pytest

from personaplex_ros.turns import TurnParameters, events

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "turn_taking.md"


@pytest.fixture(scope="module")
def drawing() -> ModuleType:
    spec = importlib.util.spec_from_file_location("draw_turns", ROOT / "scripts" / "draw_turns.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look for it
    spec.loader.exec_module(module)
    return module


def test_the_drawn_examples_are_what_the_tracker_says(drawing):
    text = DOCUMENT.read_text(encoding="utf-8")
    assert text == drawing.redraw(text), "run: python scripts/draw_turns.py"


def test_a_document_without_one_of_the_examples_is_refused(drawing):
    with pytest.raises(ValueError, match="cough"):
        drawing.redraw(DOCUMENT.read_text(encoding="utf-8").replace("example: cough", "example"))


def test_every_event_is_defined_and_drawn(drawing):
    kinds = {value for name, value in vars(events).items() if name.isupper()}
    kinds -= {events.SUSPECTED, events.CONFIRMED}
    text = DOCUMENT.read_text(encoding="utf-8")
    assert kinds == set(re.findall(r"\*\*`(\w+)`\*\*", text))
    assert kinds == {kind for example in drawing.EXAMPLES.values() for kind in example.shown}


def test_every_threshold_of_the_person_is_in_the_table_with_its_default():
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \| ([^|]+) \|", DOCUMENT.read_text(), re.MULTILINE)
    table = {}
    for names, values in rows:
        numbers = re.findall(r"-?\d+(?:\.\d+)?", values)
        values = map(float, numbers) if numbers else [values.strip()]
        table.update(zip(re.findall(r"\w+", names), values, strict=False))
    for field in fields(TurnParameters):
        if not field.name.startswith("robot_") or field.name == "robot_yield_window_s":
            assert table[field.name.removesuffix("_")] == field.default, field.name
