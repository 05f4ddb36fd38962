"""The person's words in each slot, from what the listening head says frame by frame."""

from __future__ import annotations

from collections.abc import Sequence

from personaplex_ros.lm.listening import NO_WORD

SAME_WORD_FRAMES = 2
"""A word that comes again within so many frames has not been said again."""


class Listening:
    """Keeps of each slot the last word and how long ago it came."""

    def __init__(self, words: Sequence[str], slots: int) -> None:
        """``words`` are those of the head."""
        self._words = words
        self._last = [NO_WORD] * slots
        self._age = [0] * slots  # frames

    def restart(self, slot: int) -> None:
        """Begin a conversation in a slot."""
        self._last[slot] = NO_WORD

    def follow(self, slot: int, output: int) -> str:
        """Return the word that has just ended, given the head's output for the frame; or ""."""
        self._age[slot] += 1
        repeated = output == self._last[slot] and self._age[slot] <= SAME_WORD_FRAMES
        if output == NO_WORD or repeated:
            return ""
        self._last[slot], self._age[slot] = output, 0
        return self._words[output - 1]
