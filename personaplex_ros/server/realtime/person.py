"""The person's side: when they speak, and which item that makes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from personaplex_ros.server.realtime.events import Event, History, event, message, new_id

SLACK_NS = 500_000_000
"""By which the end of a speech may be found behind that of its sound."""
LEAD_NS = 150_000_000
"""By which a speech may be found to have begun before its sound did."""
MOST_COMMITTED = 32


@dataclass
class _Speech:
    """Speech that is told to have begun; `until_ns` of it has been made an item already."""

    from_ns: int
    item: str
    until_ns: int | None = None


class Person:
    """Makes the events of the person's speech; times are nanoseconds of the conversation.

    The client may commit sound long before it is heard, when it sends a recording: what is found in
    it later belongs to that item, and makes none of its own.
    """

    def __init__(self, history: History) -> None:
        self._history = history
        self._speech: _Speech | None = None
        self._pending: str | None = None  # item of speech that was told of and not committed
        self._committed: deque[tuple[int, str]] = deque(maxlen=MOST_COMMITTED)  # until, item

    def started(self, at_ns: int) -> Iterator[Event]:
        """Yield that the person has begun to speak."""
        if self._speech is not None:
            return
        while self._committed and self._committed[0][0] <= at_ns + LEAD_NS:
            self._committed.popleft()
        if self._committed:
            until_ns, item = self._committed[0]
            self._speech = _Speech(at_ns, item, until_ns)
        else:
            self._speech = _Speech(at_ns, self._pending or new_id("item"))
        yield event(
            "input_audio_buffer.speech_started",
            audio_start_ms=self._history.ms(at_ns),
            item_id=self._speech.item,
        )

    def stopped(self, at_ns: int) -> Iterator[Event]:
        """Yield that they have fallen silent; what is no item yet becomes one."""
        speech = self._speech
        if speech is None:
            return
        until_ns = speech.until_ns
        if until_ns is not None and at_ns <= until_ns + SLACK_NS:
            yield from self.close(at_ns)
            return
        if until_ns is not None:  # they went on
            speech.item, speech.until_ns = new_id("item"), None
        yield from self.close(at_ns)
        yield from self.commit(at_ns)

    def close(self, at_ns: int) -> Iterator[Event]:
        """Yield the end of speech that is told to have begun, if there is any.

        It begins amid a frame and may be closed before the next: it does not end before it began.
        """
        speech, self._speech = self._speech, None
        if speech is None:
            return
        self._pending = speech.item if speech.until_ns is None else None
        yield event(
            "input_audio_buffer.speech_stopped",
            audio_end_ms=self._history.ms(max(at_ns, speech.from_ns)),
            item_id=speech.item,
        )

    def commit(self, until_ns: int, name: str | None = None) -> Iterator[Event]:
        """Yield what makes an item of all sound until then, under the client's name if it has one.

        It is that of the speech which was told of, or a new one.
        """
        speech = self._speech
        if speech is not None:
            told = speech.item if speech.until_ns is None else None
        else:
            told, self._pending = self._pending, None
        item = name or told or new_id("item")
        if speech is not None:
            speech.item, speech.until_ns = item, until_ns
        self._committed.append((until_ns, item))
        before = self._history.last
        yield event("input_audio_buffer.committed", item_id=item, previous_item_id=before)
        content: list[Event] = [{"type": "input_audio", "transcript": None}]
        yield from self._history.add(message(item, "user", "completed", content))

    def cleared(self, at_ns: int) -> None:
        """Note that what was not heard until then will not be."""
        self._committed = deque(
            (mark for mark in self._committed if mark[0] <= at_ns), MOST_COMMITTED
        )
        if self._speech is not None and self._speech.until_ns is not None:
            self._speech.until_ns = min(self._speech.until_ns, at_ns)

    def forget(self, at_ns: int) -> Iterator[Event]:
        """Yield the end of what is open, as a conversation ends."""
        yield from self.close(at_ns)
        self._pending = None
        self._committed.clear()
