"""What comes out of a conversation, for a protocol to send."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from personaplex_ros.server.refusal import Refusal
from personaplex_ros.turns import TurnEvent, Utterance


@dataclass(frozen=True)
class Speech:
    """A frame of the robot's speech.

    frame: its number, from 0. samples: float32 [frame_size] in [-1, 1] at the model's rate.
    possible_s: when a server that adds nothing would have it ready, in the monotonic clock: the
    time of the client's last sample that it answers, and of the model. packets: the same as the
    protocol's codec has it, where there is one.
    """

    frame: int
    samples: NDArray[np.float32]
    possible_s: float
    packets: Sequence[bytes] = ()


@dataclass(frozen=True)
class Words:
    """A piece of what the robot says in a frame; a leading space begins a word."""

    frame: int
    piece: str


@dataclass(frozen=True)
class Ended:
    """The conversation is over, and the server is why."""

    refusal: Refusal


Output = Speech | Words | TurnEvent | Utterance | Ended
"""Times of events and utterances count from the begin of the conversation's first frame."""
