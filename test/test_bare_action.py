"""Actions without ROS: what a client sees of a goal, as ROS 2's design of actions has it."""

# ruff: noqa: D102

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from dds_support import wait_until

from personaplex_ros.node.bare.action import KEPT_RESULTS
from personaplex_ros.node.bare.bus import BareBus
from personaplex_ros.node.bare.client import call_service
from personaplex_ros.node.bare.middleware import open_bus
from personaplex_ros.node.bare.types import MessageTypes
from personaplex_ros.node.hosts.bus import LATCHED, Goal

SAY = "personaplex_ros/action/Say"
WAIT_S = 10.0


class Caller:
    """A client of an action, and what came back of its last goal."""

    def __init__(self, bus: BareBus, name: str) -> None:
        self.client = bus.action_client(name, SAY)
        self._type: Any = bus.message(SAY)
        self.words: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.ends: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        wait_until(self.client.ready)

    def send(self, text: str) -> Any:
        return self.client.send(
            self._type.Goal(text=text),
            lambda feedback: self.words.put(feedback.word),
            lambda outcome, result: self.ends.put((outcome, result)),
        )

    def end(self) -> tuple[str, Any]:
        return self.ends.get(timeout=WAIT_S)


class Robot:
    """A server whose goals are ended by the test."""

    def __init__(self, bus: BareBus) -> None:
        self.goals: queue.SimpleQueue[Goal] = queue.SimpleQueue()
        self.type: Any = bus.message(SAY)
        self.server = bus.serve_action("~/say", SAY, self.goals.put)

    def goal(self) -> Goal:
        return self.goals.get(timeout=WAIT_S)

    def result(self, **fields: Any) -> Any:
        return self.type.Result(**fields)


@pytest.fixture
def bus(any_bus: BareBus) -> BareBus:
    return any_bus


@pytest.fixture
def other_bus(bus: BareBus) -> Iterator[BareBus]:
    other = open_bus("caller")
    yield other
    other.close()


@pytest.fixture
def robot(bus: BareBus) -> Robot:
    return Robot(bus)


@pytest.fixture
def caller(robot: Robot, other_bus: BareBus) -> Caller:
    return Caller(other_bus, "/robot/talk/say")


def test_a_goal_brings_feedback_and_then_its_result(robot: Robot, caller: Caller) -> None:
    caller.send("good morning")
    goal = robot.goal()
    assert goal.request.text == "good morning"
    for word in ("good", "morning"):
        goal.feedback(robot.type.Feedback(word=word))
    # Feedback and result are different topics: what came first is not said by ROS 2's design.
    assert [caller.words.get(timeout=WAIT_S) for _ in range(2)] == ["good", "morning"]
    goal.end("succeeded", robot.result(success=True, spoken="good morning"))
    outcome, result = caller.end()
    assert (outcome, result.success, result.spoken) == ("succeeded", True, "good morning")


def test_a_goal_is_ended_once_and_silent_afterwards(robot: Robot, caller: Caller) -> None:
    caller.send("one")
    goal = robot.goal()
    goal.end("aborted", robot.result(message="first"))
    goal.end("succeeded", robot.result(message="second"))
    goal.feedback(robot.type.Feedback(word="late"))
    assert caller.end()[0] == "aborted"
    caller.send("two")
    robot.goal().feedback(robot.type.Feedback(word="in time"))
    assert caller.words.get(timeout=WAIT_S) == "in time"
    assert caller.ends.empty()


def test_a_cancelled_goal_says_so_and_ends_as_its_server_ends_it(
    robot: Robot, caller: Caller
) -> None:
    sent = caller.send("a long story")
    goal = robot.goal()
    assert not goal.cancel_requested
    sent.cancel()
    wait_until(lambda: goal.cancel_requested)
    goal.end("canceled", robot.result(spoken="a long"))
    outcome, result = caller.end()
    assert (outcome, result.spoken) == ("canceled", "a long")


def test_a_goal_that_is_cancelled_at_once_is_cancelled(robot: Robot, caller: Caller) -> None:
    caller.send("a long story").cancel()
    goal = robot.goal()
    wait_until(lambda: goal.cancel_requested)


def test_a_service_that_takes_its_time_holds_up_no_goal(
    bus: BareBus, robot: Robot, caller: Caller, other_bus: BareBus
) -> None:
    answered = threading.Event()

    def slow(request: Any, response: Any) -> Any:
        answered.wait(WAIT_S)
        return response

    bus.serve("~/slow", "std_srvs/srv/Trigger", slow)
    client = other_bus.client("/robot/talk/slow", "std_srvs/srv/Trigger")
    wait_until(client.ready)
    client.call(other_bus.message("std_srvs/srv/Trigger").Request(), lambda _: None)  # type: ignore
    sent = caller.send("a long story")
    goal = robot.goal()
    sent.cancel()
    wait_until(lambda: goal.cancel_requested)
    answered.set()


def test_two_clients_get_what_is_theirs(robot: Robot, caller: Caller, other_bus: BareBus) -> None:
    other = Caller(other_bus, "/robot/talk/say")
    caller.send("mine")
    first = robot.goal()
    other.send("yours")
    second = robot.goal()
    first.feedback(robot.type.Feedback(word="mine"))
    second.feedback(robot.type.Feedback(word="yours"))
    assert (caller.words.get(timeout=WAIT_S), other.words.get(timeout=WAIT_S)) == ("mine", "yours")
    second.end("succeeded", robot.result(spoken="yours"))
    first.end("aborted", robot.result(spoken="mine"))
    assert (caller.end()[1].spoken, other.end()[1].spoken) == ("mine", "yours")


def test_a_goal_that_does_not_pass_is_rejected_with_the_reason_in_the_log(
    bus: BareBus, other_bus: BareBus, capfd: pytest.CaptureFixture[str]
) -> None:
    begun: queue.SimpleQueue[Goal] = queue.SimpleQueue()

    def check(request: Any) -> None:
        if request.text == "pst":
            raise ValueError("there is no word in 'pst'")

    bus.serve_action("~/say", SAY, begun.put, check)
    caller = Caller(other_bus, "/robot/talk/say")
    caller.send("pst")
    assert caller.end() == ("rejected", None)
    assert "/robot/talk/say: rejected a goal: there is no word in 'pst'" in capfd.readouterr().err
    caller.send("hello")
    assert begun.get(timeout=WAIT_S).request.text == "hello" and begun.empty()


def test_a_handler_that_fails_and_a_server_that_closes_abort(
    bus: BareBus, other_bus: BareBus
) -> None:
    goals: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def begin(goal: Goal) -> None:
        if goal.request.text == "fail":
            raise RuntimeError("no")
        goals.put(goal)

    server = bus.serve_action("~/say", SAY, begin)
    caller = Caller(other_bus, "/robot/talk/say")
    caller.send("fail")
    assert caller.end()[0] == "aborted"
    caller.send("go on")
    goal = goals.get(timeout=WAIT_S)
    wait_until(lambda: bool(goal.waiting))  # the caller has asked for the result
    server.close()
    assert caller.end()[0] == "aborted"


def uuid_request(types: MessageTypes, number: int) -> Any:
    request = types.action(SAY).send_goal.Request()
    request.goal_id.uuid = np.full(16, number, np.uint8)
    return request


def ask(bus: BareBus, part: str, types: Any, request: Any) -> Any:
    """Call one of the action's services directly."""
    replies: queue.SimpleQueue[Any] = queue.SimpleQueue()
    client = bus.endpoints.client(f"/robot/talk/say/_action/{part}", types)
    wait_until(client.ready)
    client.call(request, replies.put)
    try:
        return replies.get(timeout=WAIT_S)
    finally:
        client.close()


def test_an_id_that_was_used_is_refused_and_an_unknown_one_has_no_result(
    robot: Robot, other_bus: BareBus
) -> None:
    action = other_bus.types.action(SAY)
    request = uuid_request(other_bus.types, 7)
    answers = [ask(other_bus, "send_goal", action.send_goal, request) for _ in range(2)]
    assert [answer.accepted for answer in answers] == [True, False]
    assert answers[0].stamp.sec > 0
    unknown = action.get_result.Request()
    assert ask(other_bus, "get_result", action.get_result, unknown).status == 0


def test_results_are_kept_for_a_while_but_not_for_ever(robot: Robot, other_bus: BareBus) -> None:
    action = other_bus.types.action(SAY)
    for number in range(1, KEPT_RESULTS + 2):
        ask(other_bus, "send_goal", action.send_goal, uuid_request(other_bus.types, number))
        robot.goal().end("succeeded", robot.result(spoken=str(number)))
    found = []
    for number in (1, 2, KEPT_RESULTS + 1):
        request = action.get_result.Request()
        request.goal_id.uuid = np.full(16, number, np.uint8)
        answer = ask(other_bus, "get_result", action.get_result, request)
        found.append((answer.status, answer.result.spoken))
    assert found == [(0, ""), (4, "2"), (4, str(KEPT_RESULTS + 1))]


@pytest.mark.parametrize(
    ("one", "until_the_second", "cancelled"),
    [(0, False, [1, 2, 3]), (2, False, [2]), (0, True, [1, 2]), (3, True, [1, 2, 3])],
    ids=["neither: all", "an id", "a time", "an id and a time"],
)
def test_cancelling_selects_goals_by_id_and_by_time(
    robot: Robot, other_bus: BareBus, one: int, until_the_second: bool, cancelled: list[int]
) -> None:
    action = other_bus.types.action(SAY)
    stamps, goals = [], []
    for number in (1, 2, 3):
        sent = uuid_request(other_bus.types, number)
        stamps.append(ask(other_bus, "send_goal", action.send_goal, sent).stamp)
        goals.append(robot.goal())
    request: Any = other_bus.message("action_msgs/srv/CancelGoal").Request()  # type: ignore
    request.goal_info.goal_id.uuid = np.full(16, one, np.uint8)
    if until_the_second:
        request.goal_info.stamp = stamps[1]
    answer = call_service(
        other_bus, "/robot/talk/say/_action/cancel_goal", "action_msgs/srv/CancelGoal",
        request, WAIT_S,
    )  # fmt: skip
    assert answer.return_code == 0
    assert [int(info.goal_id.uuid[0]) for info in answer.goals_canceling] == cancelled
    assert [goal.cancel_requested for goal in goals] == [n in cancelled for n in (1, 2, 3)]


def test_cancelling_what_has_ended_or_never_was_says_so(robot: Robot, other_bus: BareBus) -> None:
    action = other_bus.types.action(SAY)
    ask(other_bus, "send_goal", action.send_goal, uuid_request(other_bus.types, 1))
    robot.goal().end("succeeded", robot.result())
    codes = []
    for number in (1, 2):
        request: Any = other_bus.message("action_msgs/srv/CancelGoal").Request()  # type: ignore
        request.goal_info.goal_id.uuid = np.full(16, number, np.uint8)
        types = other_bus.types.service("action_msgs/srv/CancelGoal")
        codes.append(ask(other_bus, "cancel_goal", types, request).return_code)
    assert codes == [3, 2]


def test_the_status_topic_tells_late_comers_the_state_of_goals(
    robot: Robot, caller: Caller, other_bus: BareBus
) -> None:
    caller.send("one")
    robot.goal().end("succeeded", robot.result())
    caller.end()
    caller.send("two")
    robot.goal()
    seen: list[list[int]] = []
    other_bus.subscribe(
        "/robot/talk/say/_action/status", "action_msgs/msg/GoalStatusArray", LATCHED,
        lambda message, _: seen.append([status.status for status in message.status_list]),
    )  # fmt: skip
    wait_until(lambda: seen)
    assert seen[-1] == [4, 2]
    robot.server.close()
    wait_until(lambda: seen[-1] == [4, 6])
