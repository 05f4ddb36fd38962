"""Which of Nav2's pause services is called when, against a controller that behaves like Nav2's."""

from __future__ import annotations

from dataclasses import dataclass, field

from personaplex_ros.node.motion.pause_requests import RESUME_TRIES, PauseRequests


@dataclass
class Controller:
    """Nav2's PauseResumeController as documented: requests take effect when the tree is ticked.

    A pause is complete one tick after it was accepted; resuming before that is refused.
    """

    state: str = "resumed"
    queue: list[str] = field(default_factory=list)

    def tick(self) -> list[tuple[bool, str]]:
        """Answer what has come since the last tick, then go on."""
        answers = []
        for request in self.queue:
            allowed = self.state != "paused" if request == "pause" else self.state == "paused"
            answers.append((allowed, "" if allowed else f"not while {self.state}"))
            if allowed:
                self.state = "pausing" if request == "pause" else "resumed"
        self.queue.clear()
        return answers

    def finish(self) -> None:
        """Complete a pause that was begun."""
        if self.state == "pausing":
            self.state = "paused"


def drive(
    holds: list[bool], ticked: list[bool], requests: PauseRequests | None = None
) -> tuple[list[str], PauseRequests]:
    """Run 10 Hz steps of holds against a controller ticked where `ticked`; return its states."""
    requests, controller, states = requests or PauseRequests(), Controller(), []
    for step, (hold, tick) in enumerate(zip(holds, ticked, strict=True)):
        now = 0.1 * step
        request = requests.next(hold, True, now)
        if request is not None:
            controller.queue.append(request)
        if tick:
            controller.finish()
            for success, message in controller.tick():
                requests.answered(success, message, now)
        states.append(controller.state)
    return states, requests


def test_navigation_pauses_with_the_hold_and_goes_on_after_it():
    states, requests = drive([False] * 3 + [True] * 10 + [False] * 10, [True] * 23)
    assert states[:3] == ["resumed"] * 3
    assert states[4:13] == ["paused"] * 9
    assert states[13:] == ["resumed"] * 10
    assert requests.problems == 0


def test_a_hold_shorter_than_the_pause_takes_is_resumed_all_the_same():
    states, requests = drive([True] + [False] * 10, [True] * 11)
    assert states[0] == "pausing" and states[-1] == "resumed"
    assert not requests.paused


def test_a_request_answered_only_when_navigation_begins_does_not_leave_it_paused():
    # Nobody navigates during the hold; the first tick of the next tree finds the old request.
    states, requests = drive([True] * 5 + [False] * 35, [False] * 30 + [True] * 10)
    assert states[30] == "pausing", "the stale request is what the controller sees first"
    assert states[-1] == "resumed"
    assert "no answer to pause within 2 s" in requests.last_problem


def test_a_pause_that_is_no_longer_there_is_given_up():
    requests = PauseRequests()
    assert requests.next(True, True, 0.0) == "pause"
    requests.answered(True, "", 0.1)
    asked, now = 0, 0.2
    while now < 60.0:
        if requests.next(False, True, now) == "resume":
            asked += 1
            requests.answered(False, "not in state PAUSED", now)
        now += 0.1
    assert asked == RESUME_TRIES and requests.problems == RESUME_TRIES
    assert not requests.paused


def test_what_somebody_else_paused_is_not_resumed():
    requests = PauseRequests()
    assert requests.next(True, True, 0.0) == "pause"
    requests.answered(False, "already in state PAUSED", 0.1)
    assert requests.next(False, True, 5.0) is None


def test_without_a_server_nothing_is_asked_and_it_is_counted():
    requests = PauseRequests()
    assert [requests.next(True, False, 0.1 * k) for k in range(11)] == [None] * 11
    assert requests.problems == 3  # at 0.0, 0.5 and 1.0 s
    assert requests.last_problem == "no server to pause"
    assert requests.next(True, True, 1.6) == "pause"


def test_a_tree_that_ends_takes_its_pause_with_it():
    requests = PauseRequests()
    requests.next(True, True, 0.0)
    assert requests.next(True, False, 0.1) is None
    assert "went away before it answered to pause" in requests.last_problem
    assert requests.next(True, True, 0.2) == "pause", "the next tree begins resumed"


def test_an_answer_that_nobody_asked_for_changes_nothing():
    requests = PauseRequests()
    requests.answered(True, "", 0.0)
    assert not requests.paused and requests.problems == 0
