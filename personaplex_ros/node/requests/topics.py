"""The same requests by topic, for peers whose middleware shares no services with the node's.

Topics cross between DDS vendors, services and actions do not. Each request is the data of a
std_msgs/String (`written`), each of its states goes out on ``request_state``.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from personaplex_ros.node.hosts.bus import RELIABLE, Bus, Check, Goal, Outcome
from personaplex_ros.node.hosts.serving import one_line
from personaplex_ros.node.requests.answers import Handlers, answered
from personaplex_ros.node.requests.topic_names import (
    RECORD_REQUEST,
    REQUEST_STATE,
    RESET_REQUEST,
    SAY_TEXT,
    SET_PERSONA_REQUEST,
    STRING,
)
from personaplex_ros.node.requests.written import read_request, write_state
from personaplex_ros.remedies import with_remedy

WAITING = 10
"""Requests of one topic that may wait, as many as a service's queue keeps."""

ACCEPTED, REJECTED = "accepted", "rejected"
"""States besides those of `Outcome`: it is being done; nothing of it was begun."""
_PERSONA_FIELDS: dict[str, type] = {"persona": str, "text_prompt": str, "voice": str}
_Do = Callable[["_Intake", "_Request"], None]


@dataclass(eq=False)
class _Request:
    """One request until its end."""

    id: str
    values: dict[str, Any]
    accepted: bool = False


class _TopicGoal:
    """A goal of ~/say (see `hosts.bus.Goal`) whose client listens to ``request_state``."""

    def __init__(self, id: str, text: str, ended: Callable[[Outcome, Any], None]) -> None:
        self.id = id
        self.request: Any = SimpleNamespace(text=text)
        self.cancel_requested = False
        self._ended = ended
        self._lock = threading.Lock()
        self._over = False

    def feedback(self, message: Any) -> None:
        """Tell nobody: the words are on the topic `text`."""

    def end(self, outcome: Outcome, result: Any) -> None:
        """Tell how it ended, once."""
        with self._lock:
            over, self._over = self._over, True
        if not over:
            self._ended(outcome, result)


class _Intake:
    """One topic: its requests are done one after the other, by a thread that may wait."""

    def __init__(
        self,
        bus: Bus,
        topic: str,
        plain: str,
        fields: dict[str, type],
        do: _Do,
        publish: Callable[[str], None],
    ) -> None:
        self.topic = topic
        self._bus = bus
        self._plain, self._fields = plain, fields
        self._do = do
        self._publish = publish
        self._queue: queue.Queue[_Request | None] = queue.Queue(WAITING)
        self._lock = threading.Lock()
        self._open: list[_Request] = []
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=topic, daemon=True)
        self._thread.start()
        self._subscription = bus.subscribe(topic, STRING, RELIABLE, self._arrived)

    def tell(self, request: _Request, state: str, message: str = "", spoken: str = "") -> None:
        """Publish a state of a request; every one but "accepted" is its last."""
        request.accepted = state == ACCEPTED
        if not request.accepted:
            self.forget(request)
        if state == REJECTED:
            self._bus.log("warn", f"{self.topic}: rejected a request: {one_line(message)}")
        self._publish(write_state(self.topic, request.id, state, message, spoken))

    def forget(self, request: _Request) -> None:
        """Take note that a request has had its last state, or has none of its own."""
        with self._lock:
            if request in self._open:
                self._open.remove(request)

    def close(self) -> None:
        """Take no more requests; one that is being done still is."""
        self._subscription.close()
        with self._lock:
            self._closed = True
            open_requests = list(self._open)
        for request in open_requests:
            if not request.accepted:
                self.tell(request, REJECTED, "the node ends")
        try:
            self._queue.put_nowait(None)
        except queue.Full:
            pass  # the thread sees that it is closed

    def _arrived(self, message: Any, _: str) -> None:
        request = _Request("", {})
        try:
            request.values = read_request(message.data, self._plain, self._fields)
            request.id = request.values.pop("id", "")
            with self._lock:
                same = next(
                    (one for one in self._open if request.id and one.id == request.id), None
                )
                if same is None or request.values.get("cancel"):
                    self._queue.put_nowait(request)
                    self._open.append(request)
                    return
        except queue.Full:
            self.tell(request, REJECTED, f"{WAITING} requests wait already; ask again later")
        except ValueError as error:
            self.tell(request, REJECTED, f"the request cannot be read: {error}")
        else:  # it was sent again, by somebody who does not know yet that it has arrived
            if same.accepted:
                self.tell(same, ACCEPTED)

    def _run(self) -> None:
        while (request := self._queue.get()) is not None:
            if self._closed:
                return
            try:
                self._do(self, request)
            except Exception as error:
                self.tell(request, REJECTED, with_remedy(error))


class RequestTopics:
    """Takes requests by topic in every state, and tells what becomes of them."""

    def __init__(
        self, bus: Bus, handlers: Handlers, say: Callable[[Goal], None], check: Check
    ) -> None:
        """Open the topics; `say` and `check` are the functions of the action ~/say."""
        self._bus = bus
        self._handlers = handlers
        self._say, self._check = say, check
        self._goals: list[_TopicGoal] = []
        self._lock = threading.Lock()
        self._type: Any = bus.message(STRING)
        self._publisher = bus.advertise(REQUEST_STATE, STRING, RELIABLE)
        self._open = ExitStack()
        self._open.callback(self._publisher.close)
        topics: tuple[tuple[str, str, dict[str, type], _Do], ...] = (
            (SAY_TEXT, "text", {"text": str, "cancel": bool}, self._do_say),
            (SET_PERSONA_REQUEST, "persona", _PERSONA_FIELDS, self._do_set_persona),
            (RESET_REQUEST, "id", {}, self._do_reset),
            (RECORD_REQUEST, "record", {"record": bool}, self._do_record),
        )
        for topic, plain, fields, do in topics:
            self._open.callback(_Intake(bus, topic, plain, fields, do, self._publish).close)

    def close(self) -> None:
        """Close the topics; sentences that have not ended are aborted."""
        with self._lock:
            goals = list(self._goals)
        for goal in goals:
            goal.end("aborted", _result("the node ends"))
        self._open.close()

    def _publish(self, text: str) -> None:
        message = self._type()
        message.data = text
        self._publisher.publish(message)

    def _do_reset(self, intake: _Intake, request: _Request) -> None:
        self._answer(intake, request, self._handlers.reset)

    def _do_set_persona(self, intake: _Intake, request: _Request) -> None:
        wanted = [request.values.get(name, "") for name in _PERSONA_FIELDS]
        self._answer(intake, request, lambda: self._handlers.set_persona(*wanted))

    def _do_record(self, intake: _Intake, request: _Request) -> None:
        if "record" not in request.values:
            raise ValueError("it does not say whether to record: true or false")
        self._answer(intake, request, lambda: self._handlers.record(request.values["record"]))

    def _answer(self, intake: _Intake, request: _Request, action: Callable[[], str]) -> None:
        intake.tell(request, ACCEPTED)
        success, message = answered(self._bus, intake.topic, action)
        intake.tell(request, "succeeded" if success else "aborted", message)

    def _do_say(self, intake: _Intake, request: _Request) -> None:
        if request.values.get("cancel"):
            self._cancel(intake, request)
            return

        def ended(outcome: Outcome, result: Any) -> None:
            with self._lock:
                self._goals.remove(goal)
            intake.tell(request, outcome, result.message, result.spoken)

        goal = _TopicGoal(request.id, request.values.get("text", ""), ended)
        self._check(goal.request)
        with self._lock:
            self._goals.append(goal)
        intake.tell(request, ACCEPTED)
        try:
            self._say(goal)
        except Exception as error:
            goal.end("aborted", _result(with_remedy(error)))

    def _cancel(self, intake: _Intake, request: _Request) -> None:
        with self._lock:
            goals = [goal for goal in self._goals if request.id in ("", goal.id)]
        if not goals:
            raise ValueError("there is no such sentence to cancel")
        for goal in goals:
            goal.cancel_requested = True
        intake.forget(request)


def _result(message: str) -> Any:
    return SimpleNamespace(message=message, spoken="")
