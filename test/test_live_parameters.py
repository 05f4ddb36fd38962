"""Every parameter that may change while the robot talks: it is set, and the robot talks on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from node_support import FRAME, MemoryBus, Robot

from personaplex_ros.node.conversation import Conversation
from personaplex_ros.node.loading import load_engine
from personaplex_ros.node.parameters.definition import Parameter, ParameterError, When
from personaplex_ros.node.parameters.table import PARAMETERS, Parameters

LIVE = [parameter for parameter in PARAMETERS if parameter.when is When.ANY]
PAUSED = [parameter for parameter in PARAMETERS if parameter.when is When.INACTIVE]


@pytest.fixture(scope="module")
def robot(small_checkpoint: Path) -> Iterator[Robot]:
    """Return an active node with a real engine, whose random model makes sound in every frame."""
    bus = MemoryBus()
    values = {"checkpoint": str(small_checkpoint), "device": "cpu", "voice": "", "seed": 1}
    conversation = Conversation(bus, Parameters.of(values), load_without_voice)
    try:
        conversation.configure()
        conversation.activate()
        yield Robot(bus, None, conversation)  # type: ignore[arg-type]
    finally:
        conversation.shutdown()


def load_without_voice(parameters: Parameters) -> Any:
    """Load the engine of a checkpoint that has no voices: its personas have none, either."""
    engine = load_engine(parameters)
    prepare = engine.prepare
    engine.prepare = lambda persona: prepare(type(persona)(persona.name, "a taxi"))  # type: ignore[method-assign]
    return engine


def candidates(parameter: Parameter) -> list[Any]:
    """Return values to try, the extreme ones first; some do not fit the other parameters."""
    if parameter.type is bool:
        return [True, False]
    if parameter.choices:
        return list(parameter.choices)
    if isinstance(parameter.default, str):
        return ["Hello.", parameter.default]
    low, high, default = parameter.minimum, parameter.maximum, parameter.default
    assert low is not None and high is not None
    between = [parameter.type(default + share * (high - default)) for share in (0.01, 0.1)]
    return [low, high, *between, parameter.type((low + default) / 2)]


def set_two(robot: Robot, parameter: Parameter) -> Iterator[Any]:
    """Set two values that the node takes, and yield each; then set the old one again."""
    before = robot.conversation.parameters.value(parameter)
    taken = 0
    for value in candidates(parameter):
        try:
            robot.conversation.set_parameters({parameter.name: value})
        except ParameterError:
            continue
        assert robot.conversation.parameters.value(parameter) == value
        yield value
        taken += 1
        if taken == 2:
            break
    assert taken == 2, f"{parameter.name}: of {candidates(parameter)} two should be usable"
    robot.conversation.set_parameters({parameter.name: before})


def hear_speech(robot: Robot) -> None:
    """Speak to the robot and hear it."""
    begin = len(robot.bus.topics["audio_out"])
    robot.hear(3)
    heard = robot.bus.topics["audio_out"][begin:]
    assert len(heard) >= 3
    assert all(np.abs(np.asarray(msg.data)).max() > 0 and len(msg.data) == FRAME for msg in heard)
    conversation = robot.bus.diagnostics()["conversation"]
    assert (conversation.level, conversation.values["faults"]) == (0, "0"), conversation


@pytest.mark.parametrize("parameter", LIVE, ids=lambda parameter: parameter.name)
def test_the_robot_talks_on_after_a_parameter_was_set(robot: Robot, parameter: Parameter) -> None:
    hear_speech(robot)
    for _ in set_two(robot, parameter):
        hear_speech(robot)


@pytest.mark.parametrize("parameter", PAUSED, ids=lambda parameter: parameter.name)
def test_the_robot_talks_again_after_a_parameter_was_set_in_a_pause(
    robot: Robot, parameter: Parameter
) -> None:
    robot.conversation.deactivate()
    for _ in set_two(robot, parameter):
        robot.conversation.activate()
        robot.next_sample, robot.next_stamp_ns = 0, 0
        hear_speech(robot)
        robot.conversation.deactivate()
    robot.conversation.activate()


def test_sampling_changes_in_every_direction_at_once(robot: Robot) -> None:
    for values in (
        {"greedy": True},
        {"greedy": False, "text_temperature": 0.5},
        {"text_top_k": 90, "audio_top_k": 100},
        {"text_top_k": 1, "audio_top_k": 1, "audio_temperature": 5.0},
        {"text_top_k": 25, "audio_top_k": 250, "audio_temperature": 0.8, "text_temperature": 0.7},
    ):
        robot.conversation.set_parameters(values)
        hear_speech(robot)
