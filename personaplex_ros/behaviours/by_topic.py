"""Letting the robot say sentences by the topics `say_text` and `request_state`."""

from __future__ import annotations

import json
import secrets
import threading
import time
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any

from personaplex_ros.behaviours.spoken import Spoken
from personaplex_ros.node.hosts.bus import RELIABLE, Bus
from personaplex_ros.node.requests.topic_names import REQUEST_STATE, SAY_TEXT, STRING

RESEND_S = 0.5
"""How often a request is sent that nobody has accepted: a first message may be lost."""
GIVE_UP_S = 5.0
"""After what time without a state it has failed."""


class _Asked:
    """One sentence, and what is known of its request; a goal as of `SentGoal`."""

    def __init__(self, speech: SpeechByTopic, text: str, spoken: Spoken) -> None:
        self.speech, self.text, self.spoken = speech, text, spoken
        self.id = secrets.token_hex(8)
        self.asked_at = time.monotonic()
        self.accepted = False
        self.cancelled = False

    def cancel(self) -> None:
        """Ask for its end, until it has ended."""
        self.cancelled = True
        self.asked_at = time.monotonic()
        self.speech.send(self)


class SpeechByTopic:
    """Sends sentences, relative to the bus's node, until they are accepted or given up."""

    def __init__(self, bus: Bus) -> None:
        self._lock = threading.Lock()
        self._asked: dict[str, _Asked] = {}
        self._type: Any = bus.message(STRING)
        self._publisher = bus.advertise(SAY_TEXT, STRING, RELIABLE)
        self._open = ExitStack()
        self._open.callback(self._publisher.close)
        self._open.callback(bus.subscribe(REQUEST_STATE, STRING, RELIABLE, self._told).close)
        self._open.callback(bus.every(RESEND_S, self._send_again).close)

    def say(self, text: str, spoken: Spoken) -> None:
        """Begin to say a text; `spoken` is told how it ends."""
        asked = _Asked(self, text, spoken)
        spoken.goal = asked
        with self._lock:
            self._asked[asked.id] = asked
        self.send(asked)

    def send(self, asked: _Asked) -> None:
        """Publish what is wanted now: the sentence, or its end."""
        wanted = {"cancel": True} if asked.cancelled else {"text": asked.text}
        message = self._type()
        message.data = json.dumps({"id": asked.id, **wanted})
        self._publisher.publish(message)

    def close(self) -> None:
        """Close the topics."""
        self._open.close()

    def _told(self, message: Any, _: str) -> None:
        try:
            told = json.loads(message.data)
            request, id, state = told["request"], told["id"], told["state"]
            why, spoken = str(told["message"]), str(told["spoken"])
        except (ValueError, TypeError, KeyError, RecursionError):
            return  # not of the node
        with self._lock:
            asked = self._asked.get(id) if request == SAY_TEXT and isinstance(id, str) else None
        if asked is None:
            return
        if state == "accepted":
            asked.accepted = True
        elif asked.accepted or not asked.cancelled:
            asked.spoken.words[:] = spoken.split()
            self._end(asked, state, why)
        else:  # the sentence itself never arrived
            self._end(asked, "canceled", "")

    def _send_again(self) -> None:
        with self._lock:
            waiting = list(self._asked.values())
        for asked in waiting:
            if asked.accepted and not asked.cancelled:
                continue
            if time.monotonic() - asked.asked_at > GIVE_UP_S:
                self._end(asked, "aborted", f"no answer on {REQUEST_STATE}: is the node there?")
            else:
                self.send(asked)

    def _end(self, asked: _Asked, state: str, why: str) -> None:
        with self._lock:
            self._asked.pop(asked.id, None)
        asked.spoken.ended(state, SimpleNamespace(message=why))
