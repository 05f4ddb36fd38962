"""Text for tokenizers that know few characters: what is written otherwise, and what is refused."""

# ruff: noqa: RUF001

from __future__ import annotations

from pathlib import Path

import pytest
from reference import ROOT, needs_reference

from personaplex_ros.checkpoint import TextTokenizer
from personaplex_ros.checkpoint.spelling import spell
from personaplex_ros.engine import load_persona

NANO = TextTokenizer(ROOT / "checkpoints" / "nano" / "tokenizer_spm_32k_3.model")


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        (".", "."),
        ("We close at five.", "We close at five."),
        ("We close at 5.", "We close at five."),
        ("“Hello” — it’s me… really!", "Hello, its me… really."),
        ("Open 9–17; well-known and/or good", "Open nine to seventeen, well known and or good"),
        ("At 5:30, 12:05 or 17:00.", "At five thirty, twelve oh five or seventeen."),
        ("$5, $1.50 or €1", "five dollars, one dollar and fifty cents or one euro"),
        ("£2.01", "two pounds and one penny"),
        ("the 1st, 2nd, 12th, 20th, 21st", "the first, second, twelfth, twentieth, twenty first"),
        ("1,500 of 9999", "one thousand five hundred of nine thousand nine hundred ninety nine"),
        ("call 555123, room 007", "call five five five one two three, room oh oh seven"),
        ("3.14 and 50% at 20°C", "three point one four and fifty percent at twenty degrees C"),
        ("Ask Kate in a Café\u00a0here.", "Ask kate in a Cafe\u00a0here."),
        ("ＡＢＣ ５", "ＡＢＣ five"),
        ("- one\n- two\n* three", "  one, two\n three"),
    ],
)  # fmt: skip
def test_nano_reads_what_people_type(text: str, spelled: str) -> None:
    result = NANO.spell(text)
    assert (result.text, result.left_out) == (spelled, "")
    assert 0 not in NANO.encode(result.text)


def test_emoji_are_left_out_and_named() -> None:
    result = NANO.spell("Good day 😀 to you ❤️")
    assert result.text.split() == ["Good", "day", "to", "you"]
    assert "'😀' (U+1F600 GRINNING FACE, character 10), '❤' (U+2764" in result.left_out


def test_a_letter_for_which_nothing_stands_is_named_with_its_place() -> None:
    with pytest.raises(ValueError, match=r"know 'Z' \(U\+005A LATIN CAPITAL LETTER Z, character 8"):
        NANO.spell("Kate & Zoë")


def test_of_many_unknown_characters_a_few_are_named() -> None:
    with pytest.raises(ValueError, match=r"'い' .*, 'ほ' .* and 7 more"):
        NANO.spell("いろはにほへとちりぬるを")


def test_what_is_no_text_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match="not UTF-8 at character 3"):
        NANO.spell("ab\udcff")


def test_only_what_is_unknown_is_written_otherwise() -> None:
    result = spell("It’s 5 o'clock, “ok” – or 7", lambda text: not set(text) & set("’–7"))
    assert result.text == "It's 5 o'clock, “ok”, or seven"


@needs_reference
def test_a_text_without_unknown_characters_keeps_its_tokens(tiny_checkpoint: Path) -> None:
    tokenizer = TextTokenizer(tiny_checkpoint / "tokenizer_spm_32k_3.model")
    text = "You work for the reception of a large office building and your name is Maya."
    assert tokenizer.spell(text).text == text


@pytest.mark.parametrize("name", ["receptionist", "teacher", "casual"])
def test_bundled_personas_are_read_as_they_stand(name: str) -> None:
    prompt = load_persona(name).text_prompt
    assert NANO.spell(prompt).text == prompt
