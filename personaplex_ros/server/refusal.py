"""Why a client does not get what it asks for, in words; each protocol has its own code for it."""

from __future__ import annotations

from enum import Enum


class Cause(Enum):
    """What kind of refusal it is; the values are names in metrics.

    BAD: the request has to be changed. FULL: later there may be room. ENDING: the server ends.
    FAILED: the server is at fault. GONE: the conversation that is asked for is over.
    IDLE: nothing has come for too long.
    """

    BAD = "bad_request"
    FULL = "full"
    ENDING = "ending"
    FAILED = "failed"
    GONE = "gone"
    IDLE = "idle"


class Refusal(Exception):
    """A request that is refused, or a conversation that the server ends; the text says why."""

    def __init__(self, cause: Cause, words: str) -> None:
        super().__init__(words)
        self.cause = cause
        self.words = words
