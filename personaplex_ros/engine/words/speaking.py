"""What the conversations in an engine's slots are to say, or that they are to be silent."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from personaplex_ros.checkpoint import TextTokenizer
from personaplex_ros.conversing.saying import Saying
from personaplex_ros.engine.words.saying import saying_of, sentence_of
from personaplex_ros.lm import Script
from personaplex_ros.lm.script import QUIET

HUSHED = QUIET + 20  # frames; the pieces of a word that is being said come first


class Speaking:
    """Writes the scripts of the slots, and follows how far each has come; for one thread.

    ``on_device`` makes a context in which ``script`` may be changed, ``lag`` is how many frames
    later than it is chosen a token is heard.
    """

    def __init__(
        self,
        script: Script,
        tokenizer: TextTokenizer,
        lag: int,
        on_device: Callable[[], AbstractContextManager[None]],
    ):
        self._script, self._tokenizer, self._lag = script, tokenizer, lag
        self._on_device = on_device
        self._sayings: dict[int, Saying] = {}
        self._hushed: dict[int, int] = {}  # frames for which what was broken off still counts

    def say(self, row: int, text: str) -> Saying:
        """Let a conversation say a text from the next step on; see ``Session.say``."""
        sentence = sentence_of(text, self._tokenizer)
        with self._on_device():
            self._script.write(row, sentence.pieces, sentence.waits)
        if row in self._sayings:
            self._sayings[row].cancelled = True
        self._sayings[row] = saying_of(sentence, self._tokenizer, self._lag)
        return self._sayings[row]

    def hush(self, row: int) -> None:
        """End what it is given to say; see ``Session.hush``."""
        saying = self._sayings.pop(row, None)
        if saying is not None:
            saying.cancelled = True
            self._hushed[row] = HUSHED
            with self._on_device():
                self._script.break_off(row)

    def keep_silent(self, row: int) -> None:
        """Let it say nothing; see ``Session.keep_silent``."""
        self.leave(row)
        with self._on_device():
            self._script.keep_silent(row)

    def leave(self, row: int) -> None:
        """Leave all to the model at once."""
        saying = self._sayings.pop(row, None)
        if saying is not None:
            saying.cancelled = not saying.ended
        self._hushed.pop(row, None)
        if row in self._script.given:
            with self._on_device():
                self._script.write(row, [], [])

    def follow(self, row: int, silent: bool) -> None:
        """Take note of a frame that was heard, ``silent`` if it had no text."""
        saying = self._sayings.get(row)
        if saying is not None:
            saying.follow(silent)
            if saying.ended:
                self.leave(row)
        elif row in self._hushed:
            self._hushed[row] -= 1
            if not self._hushed[row]:
                self.leave(row)
