"""Text for a tokenizer with few characters: typography made plain, numbers in words.

Only characters that the tokenizer does not know are replaced, so that a text that it encodes
anyway stays as it is.
"""

# ruff: noqa: RUF001

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

NAMED = 5  # unknown characters that a message names; it counts the others

_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
).split()
_TENS = "ten twenty thirty forty fifty sixty seventy eighty ninety".split()
_ORDINALS = {
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth",
    "nine": "ninth", "twelve": "twelfth",
}  # fmt: skip
_MONEY = {"$": ("dollar", "cent"), "€": ("euro", "cent"), "£": ("pound", "penny")}
_PLURALS = {"penny": "pence"}

_PART = re.compile(
    r"""
    (?P<sign>[$€£]) \s? (?P<units>\d{1,4}|\d{1,3}(?:,\d{3})+) (?:\.(?P<cents>\d\d)(?!\d))?
    | (?P<hour>\d{1,2}) : (?P<minute>[0-5]\d) (?!\d|:)
    | (?P<rank>\d{1,4}) (?:st|nd|rd|th) \b
    | (?P<number>\d{1,3}(?:,\d{3})+(?!\d)|\d+) (?:\.(?P<decimals>\d+))?
    | (?P<to>(?<=\d)\s?–\s?(?=\d))
    | (?P<dash>\s*—\s*|\s+[-–]\s+)
    | (?P<single>.)
    """,
    re.VERBOSE | re.DOTALL,
)

# What takes a character's place, the first of which every character is known.
_PLAIN: dict[str, tuple[str, ...]] = {
    **dict.fromkeys("‘’‚‛′`´ʼ", ("'", "")),
    **dict.fromkeys("“”„‟″«»", ('"', "")),
    **dict.fromkeys("‐‑‒–−", ("-", " ")),
    "'": ("",), '"': ("",), "-": (" ",), "!": (".", ""), ";": (",", ""), "…": ("...", ""),
    "•": ("-", ""), "·": ("-", ""),
    "&": (" and ",), "@": (" at ",), "%": (" percent",), "+": (" plus ",), "=": (" equals ",),
    "€": (" euros",), "$": (" dollars",), "£": (" pounds",), "°": (" degrees ",),
    "×": (" times ",), "½": (" half ",), "№": (" number ",),
}  # fmt: skip


@dataclass(frozen=True)
class Spelled:
    """A text whose characters a tokenizer knows; ``left_out`` names symbols that have no words."""

    text: str
    left_out: str = ""


def spell(text: str, knows: Callable[[str], bool]) -> Spelled:
    """Return ``text`` in characters of which ``knows`` is true.

    Punctuation that is not known is replaced or dropped; numbers become words. Symbols without
    words, as emoji, are left out and named in the result. Raises ValueError naming every other
    character, with its code point and place (counted from 1).
    """
    speller = _Speller(text, {c for c in set(text) if not knows(c)}, knows)
    spelled = _PART.sub(speller.part, text)
    if speller.unknown:
        raise ValueError(
            f"the model's tokenizer does not know {_names(speller.unknown)}; "
            "write it in characters that it knows"
        )
    return Spelled(spelled, _names(speller.left_out))


class _Speller:
    """Replaces the parts of one text, and notes those for which there is nothing."""

    def __init__(self, text: str, strange: set[str], knows: Callable[[str], bool]) -> None:
        self._text = text
        self._strange = strange
        self._knows = knows
        self.unknown: list[tuple[str, int]] = []
        self.left_out: list[tuple[str, int]] = []

    def part(self, match: re.Match[str]) -> str:
        part = match[0]
        if not self._strange.intersection(part):
            return part
        if match["single"]:
            return self._single(part, match.start())
        if match["dash"]:
            return ", " if self._knows(",") else " "
        words = " to " if match["to"] else _number(match)
        for character, plainer in (("-", " "), ("zero", "oh")):
            if not self._knows(character):
                words = words.replace(character, plainer)
        if not self._knows(words):
            self.unknown += [(c, match.start() + 1) for c in part if c in self._strange]
        before, after = self._text[: match.start()][-1:], self._text[match.end() :][:1]
        return " " * before.isalpha() + words + " " * after.isalpha()

    def _single(self, character: str, place: int) -> str:
        decomposed = unicodedata.normalize("NFKD", character)
        bare = "".join(c for c in decomposed if not unicodedata.combining(c))
        candidates = (
            *_PLAIN.get(character, ()), unicodedata.normalize("NFKC", character), bare,
            *(_PLAIN.get(bare, ())), character.lower(), bare.lower(), character.upper(),
        )  # fmt: skip
        for candidate in candidates:
            if (candidate or character in _PLAIN) and self._knows(candidate):
                return candidate
        kind = unicodedata.category(character)
        if kind[0] == "P":
            inside = self._text[max(0, place - 1) : place + 2]
            return " " if len(inside) == 3 and inside[0].isalnum() and inside[2].isalnum() else ""
        if kind[0] in "CZ" and kind not in ("Co", "Cn"):
            return " " if kind[0] == "Z" else ""
        if kind in ("Mn", "Me"):
            return ""
        (self.left_out if kind in ("So", "Sk") else self.unknown).append((character, place + 1))
        return ""


def _number(match: re.Match[str]) -> str:
    if match["units"]:
        return _money(match["sign"], match["units"], match["cents"])
    if match["hour"]:
        return _time(match["hour"], int(match["minute"]))
    if match["rank"]:
        return _ordinal(int(match["rank"]))
    words = cardinal(match["number"])
    if match["decimals"]:
        words += " point " + " ".join(_ONES[int(digit)] for digit in match["decimals"])
    return words


def cardinal(digits: str) -> str:
    """Return a whole number in words; what looks like a code or a telephone's number by digits."""
    round_one = "," in digits or digits.endswith("000")
    digits = digits.replace(",", "")
    if len(digits) > (9 if round_one else 4) or (digits[0] == "0" and len(digits) > 1):
        return " ".join(_ONES[int(digit)] for digit in digits)
    return _words(int(digits))


def _words(number: int) -> str:
    if number < 20:
        return _ONES[number]
    if number < 100:
        ones = f"-{_ONES[number % 10]}" if number % 10 else ""
        return _TENS[number // 10 - 1] + ones
    size, name = next(
        (s, n) for s, n in ((10**6, "million"), (1000, "thousand"), (100, "hundred")) if number >= s
    )
    rest = f" {_words(number % size)}" if number % size else ""
    return f"{_words(number // size)} {name}{rest}"


def _ordinal(number: int) -> str:
    words = _words(number)
    start, last = re.fullmatch(r"(.*?)([a-z]+)", words).groups()  # type: ignore[union-attr]
    ending = f"{last[:-1]}ieth" if last.endswith("y") else f"{last}th"
    return start + _ORDINALS.get(last, ending)


def _time(hour: str, minute: int) -> str:
    words = cardinal(str(int(hour)))
    if minute == 0:
        return words
    return f"{words} {'oh ' if minute < 10 else ''}{_words(minute)}"


def _money(sign: str, units: str, cents: str | None) -> str:
    whole, part = _MONEY[sign]
    words = f"{cardinal(units)} {whole if units == '1' else f'{whole}s'}"
    if cents and int(cents):
        plural = _PLURALS.get(part, f"{part}s")
        words += f" and {_words(int(cents))} {part if int(cents) == 1 else plural}"
    return words


def _names(characters: list[tuple[str, int]]) -> str:
    """Name the first of each character, with code point and place."""
    first: dict[str, int] = {}
    for character, place in characters:
        first.setdefault(character, place)
    named = [
        f"{character!r} (U+{ord(character):04X} {unicodedata.name(character, 'without a name')}, "
        f"character {place})"
        for character, place in list(first.items())[:NAMED]
    ]
    more = len(first) - len(named)
    return ", ".join(named) + (f" and {more} more" if more else "")
