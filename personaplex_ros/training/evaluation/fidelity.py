"""Whether the robot's speech says what its text stream says, as a recogniser hears it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from personaplex_ros.persona import TAG
from personaplex_ros.training.evaluation.measures import word_errors
from personaplex_ros.training.evaluation.recogniser import Recogniser
from personaplex_ros.training.evaluation.turns import Answer
from personaplex_ros.training.voices.speakers import AGENTS
from personaplex_ros.training.voices.speech import speak
from personaplex_ros.training.world import World, plain

UNDERSTOOD = 0.05  # word error rate of the synthesiser's speech; voices above it are not judged
TRIAL_SENTENCES = 24  # on which that is found out, for each voice
PERSONAS = 200  # whose answers the recogniser knows


@dataclass(frozen=True)
class Heard:
    """Words in a sentence, and how many were misheard from the robot and from the synthesiser."""

    text: str
    words: int
    robot: int
    synthesiser: int


class Listener:
    """Compares the robot's speech with the synthesiser's, same voice and same sentences."""

    def __init__(self, world: World, seed: int):
        """Make a recogniser and find out which of the robot's voices it understands."""
        self._rng = np.random.default_rng((seed, 4))
        texts = [text for text in world.agent_texts(self._rng, PERSONAS) if TAG not in text]
        self._recogniser = Recogniser(texts)
        trial = [str(text) for text in self._rng.choice(texts, TRIAL_SENTENCES)]
        self.voices = [voice for voice in AGENTS if self._rate(trial, voice) <= UNDERSTOOD]

    def compare(self, answer: Answer, voice: str) -> Heard:
        """Count what is misheard of an answer of one of ``voices``."""
        words = plain(answer.text).split()
        robot = word_errors(words, self._recogniser.words(answer.samples, self._rng))
        return Heard(answer.text, len(words), robot, self._errors(answer.text, voice))

    def _rate(self, texts: Sequence[str], voice: str) -> float:
        errors = sum(self._errors(text, voice) for text in texts)
        return errors / sum(len(plain(text).split()) for text in texts)

    def _errors(self, text: str, voice: str) -> int:
        heard = self._recogniser.words(speak(text, AGENTS[voice]).samples, self._rng)
        return word_errors(plain(text).split(), heard)


def added_errors(rows: NDArray[np.float64]) -> float:
    """Return by how much the robot's word error rate exceeds the synthesiser's.

    ``rows`` are [n, 3]: words, words misheard from the robot, and from the synthesiser.
    """
    words, robot, synthesiser = rows.sum(axis=0)
    return float((robot - synthesiser) / words)


def robots_errors(rows: NDArray[np.float64]) -> float:
    """Return the robot's word error rate of the same rows."""
    words, robot, _ = rows.sum(axis=0)
    return float(robot / words)
