"""Which words tell what a caller wants, and takes of which too little of them is understood."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from personaplex_ros.lm import LanguageModel
from personaplex_ros.lm.grid import lay_out
from personaplex_ros.lm.listening import NO_WORD, ListeningHead
from personaplex_ros.training.conversations.dialogue import UNCLEAR
from personaplex_ros.training.conversations.recordings import Recording, Take
from personaplex_ros.training.learning import parallel
from personaplex_ros.training.world import World, plain

LEAST = 0.25  # weight of a word that tells nothing, against one that is said for one thing alone
AFTER_FRAMES = 3  # the end of a take, in which its last word may be named
UNDERSTOOD_KINDS = ("question", "interruption")


def telling(world: World) -> dict[str, float]:
    """Return for each word of a wording how much it tells: 0 in all intents' to 1 in one's."""
    found: dict[str, set[str]] = {}
    for name, intent in world.intents.items():
        for wording in (*intent.wordings, *intent.held_out):
            for word in plain(wording).split():
                found.setdefault(word, set()).add(name)
    most = math.log(len(world.intents))
    return {word: 1 - math.log(len(names)) / most for word, names in found.items()}


def word_weights(world: World, words: Iterable[str]) -> Tensor:
    """Return how much words count in what is learnt: float32, 1 in the mean of all wordings."""
    tells = telling(world)
    said = [
        LEAST + tells[word]
        for intent in world.intents.values()
        for wording in intent.wordings
        for word in plain(wording).split()
    ]
    mean = sum(said) / len(said)
    return torch.tensor([(LEAST + tells.get(word, 0.0)) / mean for word in words])


@dataclass(frozen=True)
class Listener:
    """A language model with the head that names the words which it hears."""

    model: LanguageModel
    head: ListeningHead

    @torch.inference_mode()
    def words(self, recording: Recording) -> list[str]:
        """Return the word that is named after each frame of a recording, "" for none.

        It hears a part of its context's length at a time, the robot being silent.
        """
        config = self.model.config
        length = config.trained_context or config.context
        codes = torch.from_numpy(recording.codes).long()
        named: list[int] = []
        for part in codes.split(length, dim=1):
            frames = torch.full((config.rows, part.shape[1]), config.text_padding)
            frames[1 : 1 + config.codebooks] = torch.tensor(config.silence_codes)[:, None]
            frames[1 + config.codebooks :] = part
            columns = lay_out(frames, config)[:, : part.shape[1]].t()[None]
            positions = torch.arange(part.shape[1])[None]
            hidden = parallel.temporal(self.model, columns, positions)[-1]
            named += self.head.choose(self.model.out_norm(hidden)[0]).tolist()
        return ["" if number == NO_WORD else self.head.words[number - 1] for number in named]


def mark_unclear(
    recordings: Sequence[Recording], listener: Listener, tells: Mapping[str, float], least: float
) -> Iterator[Recording]:
    """Yield recordings whose takes are ``UNCLEAR`` of which less than ``least`` is understood.

    What cannot be known is so, however little of it is heard.
    """
    for recording in recordings:
        words = listener.words(recording)
        takes = [
            replace(take, intent=UNCLEAR)
            if take.kind in UNDERSTOOD_KINDS
            and take.intent != "fallback"
            and understood(take, words, tells) < least
            else take
            for take in recording.takes
        ]
        yield replace(recording, takes=tuple(takes))


def understood(take: Take, words: Sequence[str], tells: Mapping[str, float]) -> float:
    """Return the share of what a take tells, 0 to 1, that is among the words named meanwhile."""
    heard = Counter(words[take.first : take.first + take.frames + AFTER_FRAMES])
    told = total = 0.0
    for word in plain(take.text).split():
        total += tells.get(word, 0.0)
        if heard[word] > 0:
            heard[word] -= 1
            told += tells.get(word, 0.0)
    return told / total if total else 1.0
