"""A conversation cut into what the caller wanted and the time of the robot's answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from personaplex_ros.training.evaluation.caller import Said
from personaplex_ros.training.evaluation.converse import Dialogue
from personaplex_ros.training.evaluation.measures import takeover_latency
from personaplex_ros.training.evaluation.sound import WINDOW_S, first_sound, last_sound
from personaplex_ros.training.voices.speech import RATE

EDGE_S = 0.1  # kept before and after the sound of an answer


@dataclass(frozen=True)
class Turn:
    """A question or interruption; its answer has time until ``until_s``.

    ``into`` is what the caller said into that answer: a backchannel, the next interruption or None.
    """

    asked: Said
    until_s: float
    into: Said | None = None

    @property
    def interrupted(self) -> bool:
        """Whether the answer was interrupted."""
        return self.into is not None and self.into.utterance.kind == "interruption"


@dataclass(frozen=True, eq=False)
class Answer:
    """An answer that nobody spoke into: its text stream and its sound, float32 [n] at 24 kHz."""

    text: str
    samples: NDArray[np.float32]


def turns(said: Sequence[Said], duration_s: float) -> list[Turn]:
    """Return the turns of a caller who said this in a conversation that lasted so long."""
    asked = [one for one in said if one.utterance.kind != "backchannel"]
    found = []
    for one, following in pairwise([*asked, None]):
        assert one is not None
        until_s = duration_s if following is None else following.start_s
        between = [b for b in said if one.start_s < b.start_s < until_s]
        into = between[0] if between else None
        if following is not None and following.utterance.kind == "interruption":
            into = following
        found.append(Turn(one, until_s, into))
    return found


def answers(dialogue: Dialogue) -> list[Answer]:
    """Return the answers to questions that the robot gave undisturbed."""
    found = []
    for turn in turns(dialogue.said, dialogue.duration_s):
        begin_s, question = turn.asked.end_s, turn.asked.utterance.kind == "question"
        text = dialogue.text(begin_s, turn.until_s)
        taken = takeover_latency(dialogue.sound, begin_s) is not None
        first = first_sound(dialogue.sound, begin_s, turn.until_s)
        last = last_sound(dialogue.sound, begin_s, turn.until_s)
        if question and taken and text and turn.into is None and first and last:
            edges = (max(0, round(t * RATE)) for t in (first - EDGE_S, last + EDGE_S))
            found.append(Answer(text, dialogue.robot[slice(*edges)]))
    return found


def heard_speech(dialogue: Dialogue) -> NDArray[np.float32]:
    """Return the robot's audio without its silences: float32 [n] at 24 kHz."""
    size, count = round(WINDOW_S * RATE), len(dialogue.sound)
    windows = dialogue.robot[: count * size].reshape(count, size)
    return windows[dialogue.sound].ravel()
