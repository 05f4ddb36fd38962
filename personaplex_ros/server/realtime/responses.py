"""From what comes out of a conversation to the events that a client is sent.

A conversation has no requests: the robot speaks when it wants to. Each stretch of its speech is a
response of one item, each of the person's an item of theirs.
"""

from __future__ import annotations

import base64
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from personaplex_ros.audio import float32_to_int16
from personaplex_ros.server.conversation.outputs import Output, Speech, Words
from personaplex_ros.server.conversation.sent_time import SentTime
from personaplex_ros.server.realtime.events import Event, History, event, message, new_id
from personaplex_ros.server.realtime.items import Item
from personaplex_ros.server.realtime.person import Person
from personaplex_ros.server.realtime.settings import FORMAT, Settings
from personaplex_ros.turns import TurnEvent
from personaplex_ros.turns.events import (
    ROBOT_SILENCED,
    ROBOT_STARTED,
    ROBOT_STOPPED,
    ROBOT_YIELDED,
    USER_STARTED,
    USER_STOPPED,
)

LEAD_FRAMES = 4
"""Before the robot is known to speak, in which it may have begun."""
GAP_S = 0.8
"""Of the robot's silence, after which a response is over."""
LEAD_WORDS = 40
"""Pieces that may wait for the sound that says them."""


@dataclass
class _Response:
    item: str
    pieces: list[str] = field(default_factory=list)
    silent_frames: int | None = None  # since the robot fell silent; None while it speaks
    id: str = field(default_factory=lambda: new_id("resp"))


class Responses:
    """Makes the events of one connection, in the order of what happens."""

    def __init__(self, frame_s: float) -> None:
        self._frame_s = frame_s
        self._conversation = new_id("conv")
        self._history = History()
        self._person = Person(self._history)
        self._open: _Response | None = None
        self._speaking = False  # the robot, as far as is known
        self._cancelled = False  # and the robot still speaks
        self._frames: deque[Speech] = deque(maxlen=LEAD_FRAMES)
        self._words: deque[str] = deque(maxlen=LEAD_WORDS)

    def take(self, output: Output, settings: Settings) -> Iterator[Event]:
        """Yield the events that an output makes."""
        if isinstance(output, Speech):
            yield from self._speech(output, settings)
        elif isinstance(output, Words):
            yield from self._piece(output.piece)
        elif isinstance(output, TurnEvent):
            yield turn_event(output, self._history)
            yield from self._turn(output, settings)

    def cancel(self, settings: Settings) -> Iterator[Event]:
        """Yield the end of the response that is spoken, whose rest is not sent.

        Nothing where there is none.
        """
        if self._open is not None:
            self._cancelled = self._speaking
            yield from self._close(settings, "cancelled", "client_cancelled")

    def begin(self, settings: Settings) -> Iterator[Event]:
        """Yield the begin of a response that was asked for; what is open ends before."""
        yield from self._close(settings, "cancelled", "client_cancelled")
        self._frames.clear()
        self._words.clear()
        yield from self._begin(settings, 0.0)

    def begun(self, sent: SentTime) -> None:
        """Take how times of the conversation that begins are told to the client."""
        self._history.begun(sent)

    def end(self, settings: Settings, length_ns: int, sent_ns: int) -> Iterator[Event]:
        """Yield the end of what is open, as another persona begins anew, and forget it.

        length_ns, sent_ns: of the conversation that is over, and what was sent to it; the session's
        time goes on behind it.
        """
        if self._open is not None and self._open.silent_frames is not None:
            yield from self._close(settings, "completed")
        yield from self._close(settings, "cancelled", "client_cancelled")
        yield from self._person.forget(length_ns)
        self._history.over(sent_ns)
        self._speaking, self._cancelled = False, False
        self._frames.clear()
        self._words.clear()

    def commit(self, until_ns: int, name: str | None = None) -> Iterator[Event]:
        """Yield what makes an item of what came; all of it will have been heard by `until_ns`."""
        yield from self._person.commit(until_ns, name)

    def cleared(self, at_ns: int) -> None:
        """Note that what was not heard by then will not be."""
        self._person.cleared(at_ns)

    def tell_no_turns(self, at_ns: int) -> Iterator[Event]:
        """Yield the end of the person's speech, as their turns are not told of from now on."""
        yield from self._person.close(at_ns)

    def created(self, item: Item) -> Iterator[Event]:
        """Yield that an item of the assistant's was taken, which may be said later."""
        content = [{"type": "output_text", "text": item.words}]
        name = item.id or new_id("item")
        yield from self._history.add(message(name, "assistant", "completed", content))

    def _speech(self, speech: Speech, settings: Settings) -> Iterator[Event]:
        response = self._open
        if response is None:
            if not self._cancelled:
                self._frames.append(speech)
            return
        yield self._delta(response, speech)
        if response.silent_frames is not None:
            response.silent_frames += 1
            if response.silent_frames * self._frame_s >= GAP_S:
                yield from self._close(settings, "completed")

    def _piece(self, piece: str) -> Iterator[Event]:
        if self._open is not None:
            yield self._said(self._open, piece)
        elif not self._cancelled:
            self._words.append(piece)

    def _turn(self, turn: TurnEvent, settings: Settings) -> Iterator[Event]:
        told = settings.turn_detection is not None
        if turn.kind in (ROBOT_STARTED, ROBOT_STOPPED):
            self._speaking = turn.kind == ROBOT_STARTED
        if turn.kind == ROBOT_STARTED and self._open is None:
            # The robot is heard a frame after it was asked; its times are of when it is heard.
            yield from self._begin(settings, turn.onset_ns / 1e9 / self._frame_s - 1)
        elif turn.kind == ROBOT_STARTED and self._open is not None:
            self._open.silent_frames = None
        elif turn.kind in (ROBOT_YIELDED, ROBOT_SILENCED):
            yield from self._close(settings, "cancelled", "turn_detected")
        elif turn.kind == ROBOT_STOPPED:
            self._cancelled = False
            if self._open is not None:
                self._open.silent_frames = 0
        elif turn.kind == USER_STARTED and told:
            yield from self._person.started(turn.onset_ns)
        elif turn.kind == USER_STOPPED and told:
            yield from self._person.stopped(turn.onset_ns)

    def _begin(self, settings: Settings, onset: float) -> Iterator[Event]:
        """Begin a response with what was said from a frame on, `onset`, and words before it."""
        self._cancelled = False
        self._open = response = _Response(new_id("item"))
        item = message(response.item, "assistant", "in_progress", [])
        yield event("response.created", response=self._described(response, settings))
        yield event(
            "response.output_item.added", response_id=response.id, output_index=0, item=item
        )
        yield event("conversation.item.added", previous_item_id=self._history.last, item=item)
        part = {"type": "audio", "transcript": ""}
        yield self._of(response, "response.content_part.added", part=part)
        for speech in self._frames:
            if speech.frame + 1 > onset:
                yield self._delta(response, speech)
        for piece in self._words:
            yield self._said(response, piece)
        self._frames.clear()
        self._words.clear()

    def _close(self, settings: Settings, status: str, reason: str = "") -> Iterator[Event]:
        response, self._open = self._open, None
        if response is None:
            return
        transcript = "".join(response.pieces).strip()
        done = "completed" if status == "completed" else "incomplete"
        content = [{"type": "output_audio", "transcript": transcript}]
        item = message(response.item, "assistant", done, content)
        part = {"type": "audio", "transcript": transcript}
        yield self._of(response, "response.output_audio.done")
        yield self._of(response, "response.output_audio_transcript.done", transcript=transcript)
        yield self._of(response, "response.content_part.done", part=part)
        yield event("response.output_item.done", response_id=response.id, output_index=0, item=item)
        yield event("conversation.item.done", previous_item_id=self._history.last, item=item)
        self._history.last = response.item
        details = {"type": status, "reason": reason} if reason else None
        whole = self._described(response, settings) | {
            "status": status, "status_details": details, "output": [item]
        }  # fmt: skip
        yield event("response.done", response=whole)

    def _delta(self, response: _Response, speech: Speech) -> Event:
        sound = float32_to_int16(speech.samples).astype("<i2").tobytes()
        coded = base64.b64encode(sound).decode()
        return self._of(response, "response.output_audio.delta", delta=coded)

    def _said(self, response: _Response, piece: str) -> Event:
        response.pieces.append(piece)
        return self._of(response, "response.output_audio_transcript.delta", delta=piece)

    def _of(self, response: _Response, kind: str, **content: object) -> Event:
        return event(
            kind, response_id=response.id, item_id=response.item, output_index=0, content_index=0,
            **content,
        )  # fmt: skip

    def _described(self, response: _Response, settings: Settings) -> Event:
        return {
            "object": "realtime.response",
            "id": response.id,
            "status": "in_progress",
            "status_details": None,
            "output": [],
            "conversation_id": self._conversation,
            "output_modalities": ["audio"],
            "audio": {"output": {"format": FORMAT, "voice": settings.persona.voice}},
            "usage": None,
            "metadata": None,
        }


def turn_event(turn: TurnEvent, history: History) -> Event:
    """Return what the protocol has no event for: who interrupts whom, who yields, who is there."""
    return event(
        "personaplex.turn_event",
        event=turn.kind,
        onset_ms=history.ms(turn.onset_ns),
        decided_ms=history.ms(turn.decided_ns),
        confidence=round(turn.confidence, 3),
        episode=turn.episode,
        state=turn.state,
        revises=turn.revises,
    )
