"""The life cycle that both hosts serve: what a client may ask for, and two nodes of one name."""

from __future__ import annotations

from typing import Any

import pytest
from node_support import Robot, robot

from personaplex_ros.node.lifecycle import TRANSITIONS, Lifecycle

PATHS: dict[str, tuple[str, ...]] = {
    "unconfigured": (),
    "inactive": ("configure",),
    "active": ("configure", "activate"),
    "finalized": ("shutdown",),
}


def ask(robot: Robot, **transition: Any) -> bool:
    """Call ~/change_state as any client does."""
    service, handler = robot.bus.services["~/change_state"]
    request = service.Request()
    request.transition.id = transition.get("id", 0)
    request.transition.label = transition.get("label", "")
    return bool(handler(request, service.Response()).success)


@pytest.mark.parametrize("state", PATHS)
def test_a_transition_that_cannot_be_is_refused_by_any_id_and_label(state: str) -> None:
    with robot(activate=False) as node:
        cycle = Lifecycle(node.bus, node.conversation)
        for label in PATHS[state]:
            assert ask(node, label=label)
        possible = {t.id for t in TRANSITIONS if t.start == state}
        labels = {t.label for t in TRANSITIONS if t.start == state}
        for number in set(range(256)) - possible:
            assert not ask(node, id=number) and cycle.state == state
        for label in {"create", "configure", "activate", "transition_success"} - labels:
            assert not ask(node, label=label) and cycle.state == state
        assert not ask(node, id=255)
        refused = node.bus.lines[-1][1]
        assert f"refused transition 255 in state {state}; possible: " in refused
        assert all(f"({number})" in refused for number in possible)
        if state == "active":
            node.hear(3)


def test_an_id_makes_its_transition_and_a_label_goes_before_it() -> None:
    with robot(activate=False) as node:
        cycle = Lifecycle(node.bus, node.conversation)
        assert ask(node, id=1) and cycle.state == "inactive"
        assert ask(node, id=4, label="activate") and cycle.state == "active"
        node.hear(2)
        assert ask(node, id=7) and cycle.state == "finalized"


def test_while_one_transition_goes_on_another_is_refused_at_once() -> None:
    with robot(activate=False) as node:
        Lifecycle(node.bus, node.conversation)
        answers: list[bool] = []
        node.engine.before_prepare = lambda: answers.append(ask(node, id=1))
        assert ask(node, id=1)
        assert answers == [False]
        assert node.bus.wait_for_log("refused transition 1 while configuring")


def test_a_node_of_the_same_name_is_told_with_the_remedy_until_it_goes() -> None:
    with robot() as node:
        look = node.bus.timers[2.0]
        node.bus.other_nodes_of_this_name = 1
        look()
        look()
        warnings = [text for level, text in node.bus.lines if level == "warn"]
        assert len(warnings) == 1
        for expected in ("another node is named /personaplex", "namespace:=", "-r __node:="):
            assert expected in warnings[0]
        status = node.bus.diagnostics()["conversation"]
        assert status.level == 1 and "another node is named" in status.message
        node.bus.other_nodes_of_this_name = 0
        look()
        assert node.bus.lines[-1] == ("info", "no other node is named /personaplex any more")
        assert node.bus.diagnostics()["conversation"].message == "active"
        node.hear(2)
