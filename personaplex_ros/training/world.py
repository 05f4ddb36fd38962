"""The closed world that ``nano`` lives in, read from ``world.yaml``."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from personaplex_ros.persona import TAG
from personaplex_ros.training.chance import pick

HELD_OUT_WORDINGS = 2  # the last of each intent are for evaluation only
SPOKEN = ("prompts", "openers", "breaks", "user_backchannels", "agent_backchannels")
PERSONA_INTENTS = ("name", "company", "hours", "closing", "opening", "meeting_room")
# A caller may hesitate after these words: what came before cannot be all.
OPEN_ENDED = frozenset(
    "a an the to for my your is are do does can could where what when which how i am in of at on "
    "need would like want have get find tell me you may will with from who any some this".split()
)


@dataclass(frozen=True)
class Facts:
    """What a persona knows of itself."""

    name: str
    company: str
    business: str
    open: str
    close: str
    floor: str


@dataclass(frozen=True)
class Intent:
    """Something a caller may want: how it is said, what is answered."""

    name: str
    wordings: tuple[str, ...]
    held_out: tuple[str, ...]
    answers: tuple[str, ...]
    accept: tuple[str, ...]


@dataclass(frozen=True)
class World:
    """Everything that can be said."""

    values: Mapping[str, Any]
    prompts: tuple[str, ...]
    openers: tuple[str, ...]
    breaks: tuple[str, ...]
    user_backchannels: tuple[str, ...]
    agent_backchannels: tuple[str, ...]
    intents: Mapping[str, Intent]
    stories: Mapping[str, tuple[str, ...]]
    elsewhere: tuple[str, ...]  # said by others to others

    def random_facts(self, rng: np.random.Generator, *, unseen: bool = False) -> Facts:
        """Draw a persona; of all combinations of name and company, a quarter is kept unseen."""
        while True:
            company = pick(list(self.values["company"]), rng)
            chosen = {
                key: pick(self.values[key], rng) for key in ("name", "open", "close", "floor")
            }
            facts = Facts(company=company, business=self.values["company"][company], **chosen)
            if self.is_unseen(facts) == unseen:
                return facts

    def is_unseen(self, facts: Facts) -> bool:
        """Whether this combination is kept for evaluation."""
        names, companies = self.values["name"], list(self.values["company"])
        return (names.index(facts.name) + companies.index(facts.company)) % 4 == 0

    def numbers(self, facts: Facts) -> list[int]:
        """Return which of its possible values each fact has, in the order of ``values``."""
        said = asdict(facts)
        return [list(possible).index(said[key]) for key, possible in self.values.items()]

    def answer(self, intent: str, facts: Facts, last: str, rng: np.random.Generator) -> str:
        """Return what the robot says to an intent; ``last`` is what it said before."""
        return fill(pick(self.intents[intent].answers, rng), facts, last)

    def answers(self) -> list[str]:
        """Return everything that the robot can say, whoever it is."""
        intents = self.intents.items()
        templates = [
            text for name, intent in intents if name != "repeat" for text in intent.answers
        ]
        said = [text for template in templates for text in self._filled(template)]
        said += self.stories["answers"]
        again = [text.format(last=last) for text in self.intents["repeat"].answers for last in said]
        return list(dict.fromkeys([*said, *again, *self.agent_backchannels]))

    def _filled(self, template: str) -> list[str]:
        """Return a template with every combination of the facts that it names."""
        keys = [key for key in self.values if f"{{{key}}}" in template]
        texts = []
        for chosen in itertools.product(*(self.values[key] for key in keys)):
            facts = dict(zip(keys, chosen, strict=True))
            if "company" in facts:
                facts["business"] = self.values["company"][facts["company"]]
            texts.append(template.format(**facts))
        return texts

    def agent_texts(self, rng: np.random.Generator, personas: int) -> list[str]:
        """Return what the robot says or is prompted with, for so many random personas."""
        texts = [*self.agent_backchannels, *self.stories["answers"]]
        for _ in range(personas):
            facts = self.random_facts(rng)
            for intent in self.intents:
                texts.append(self.answer(intent, facts, "", rng))
            texts.append(f"{TAG} {self.prompt(facts, rng)} {TAG}")
        return texts

    def caller_texts(self) -> list[str]:
        """Return what callers say, the wordings that are kept for evaluation left out."""
        texts = [*self.user_backchannels]
        texts += [line for key in ("opening", "parts", "closing") for line in self.stories[key]]
        for intent in self.intents.values():
            for wording in intent.wordings:
                texts += [wording, *(f"{word} {wording}" for word in (*self.openers, *self.breaks))]
        return texts

    def accepts(self, intent: str, facts: Facts, last: str, said: str) -> bool:
        """Whether what was said answers the intent."""
        accepted = self.intents[intent].accept
        return any(plain(fill(phrase, facts, last)) in plain(said) for phrase in accepted)

    def prompt(self, facts: Facts, rng: np.random.Generator) -> str:
        """Return a text prompt for a persona."""
        return fill(self.prompts[0 if rng.random() < 0.7 else 1], facts, "")

    @functools.cached_property
    def complete(self) -> frozenset[str]:
        """Every wording, as plain words: what a caller may stop after."""
        intents = self.intents.values()
        return frozenset(plain(w) for i in intents for w in (*i.wordings, *i.held_out))


def load_world(path: Path | None = None) -> World:
    """Read a world; the bundled one by default."""
    path = path or Path(__file__).with_name("world.yaml")
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    intents = {
        name: _intent(name, entry, content["phrasings"])
        for name, entry in content["intents"].items()
    }
    texts = {key: tuple(content[key]) for key in SPOKEN}
    made = [text for parts in content["elsewhere_made"].values() for text in _put_together(parts)]
    texts["elsewhere"] = (*content["elsewhere"], *made)
    stories = {key: tuple(lines) for key, lines in content["stories"].items()}
    return World(values=content["personas"], intents=intents, stories=stories, **texts)


def _put_together(parts: Mapping[str, Sequence[str]]) -> list[str]:
    """Return each begin with each end, and in turn with one of what may follow."""
    texts = []
    for number, begin in enumerate(parts["begin"]):
        for place, end in enumerate(parts["end"]):
            follow = parts["follow"][(number + place) % len(parts["follow"])]
            texts.append(" ".join(filter(None, (begin, end, follow))) + ".")
    return texts


def _intent(name: str, entry: Mapping[str, Any], phrasings: Mapping[str, Sequence[str]]) -> Intent:
    """Read an intent; what its phrasings give is added to its wordings, held-out ones never."""
    listed, held_out = (
        entry["wordings"][:-HELD_OUT_WORDINGS],
        entry["wordings"][-HELD_OUT_WORDINGS:],
    )
    wordings = {plain(wording): wording for wording in listed}
    for way, things in entry.get("asked", {}).items():
        for phrasing, thing in itertools.product(phrasings[way], things):
            wording = phrasing.format(x=thing)
            wordings.setdefault(plain(wording), wording[0].upper() + wording[1:])
    for wording in held_out:
        wordings.pop(plain(wording), None)
    return Intent(
        name,
        tuple(wordings.values()),
        tuple(held_out),
        tuple(entry["answers"]),
        tuple(entry["accept"]),
    )


def fill(template: str, facts: Facts, last: str) -> str:
    """Put a persona's facts into a template."""
    return template.format(last=last, **asdict(facts))


def plain(text: str) -> str:
    """Return a text as lower-case words with single spaces."""
    return " ".join(re.findall(r"[a-z0-9']+", text.lower()))


def hesitations(world: World, text: str) -> list[int]:
    """Return after how many words a caller may hesitate without having said something whole."""
    words = text.split()
    places = []
    for count in range(1, len(words)):
        said = plain(" ".join(words[:count]))
        last = said.split()[-1]
        whole = any(said.endswith(w) for w in world.complete)
        if words[count - 1][-1].isalpha() and last in OPEN_ENDED and not whole:
            places.append(count)
    return places


def lower_first(sentence: str) -> str:
    """Return a sentence as it follows an opening word."""
    return sentence if sentence.startswith("I ") else sentence[0].lower() + sentence[1:]
