"""What is wrong with an event of a client, for the error that it is answered with."""

from __future__ import annotations


class Invalid(Exception):
    """An event that is refused; the conversation goes on.

    words: why, and what to send instead. param: path of what is wrong within the event, or "".
    code: short name of the kind of mistake.
    """

    def __init__(self, words: str, param: str = "", code: str = "invalid_value") -> None:
        super().__init__(words)
        self.words, self.param, self.code = words, param, code
