"""The simulated robot's motion, its round, and the rules of the mux before it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import yaml
from scipy.integrate import solve_ivp

from personaplex_ros.mux_file import read_mux_file
from personaplex_ros.node.parameters.table import Parameters
from personaplex_ros.resources import share_directory
from personaplex_ros.simulation.kinematics import STILL, Limits, Pose, Velocity, advance, approach
from personaplex_ros.simulation.mux import VelocityMux
from personaplex_ros.simulation.patrol import Patrol, steer

MUX_FILE = share_directory() / "config" / "twist_mux.yaml"


# The unicycle


@pytest.mark.parametrize("velocity", [Velocity(0.2, 0.0), Velocity(0.2, 0.7), Velocity(0.0, -1.0)])
def test_the_base_moves_as_the_unicycles_equations_say(velocity):
    def rates(_: float, state: np.ndarray) -> list[float]:
        heading = state[2]
        speed = velocity.linear
        return [speed * math.cos(heading), speed * math.sin(heading), velocity.angular]

    pose = Pose(1.0, -2.0, 0.3)
    end = solve_ivp(rates, (0, 3.0), [pose.x, pose.y, pose.heading], rtol=1e-10, atol=1e-10).y[
        :, -1
    ]
    moved = advance(pose, velocity, 3.0)
    assert (moved.x, moved.y) == pytest.approx(tuple(end[:2]), abs=1e-8)
    assert math.cos(moved.heading - end[2]) == pytest.approx(1.0)


def test_speed_and_acceleration_stay_within_their_limits():
    limits, velocity, steps = Limits(), STILL, 0
    while velocity.linear < limits.linear_speed:
        before = velocity
        velocity = approach(velocity, Velocity(5.0, 0.0), limits, 0.02)
        assert velocity.linear - before.linear <= limits.linear_acceleration * 0.02 + 1e-12
        steps += 1
    assert steps == 22  # 0.22 m/s at 0.5 m/s2 takes 0.44 s
    assert approach(velocity, Velocity(5.0, 0.0), limits, 0.02) == velocity


def test_it_brakes_harder_than_it_starts_and_through_zero_when_it_turns_round():
    limits = Limits()
    assert approach(Velocity(0.22, 1.0), STILL, limits, 0.05) == Velocity(
        pytest.approx(0.07), pytest.approx(0.25)
    )
    assert approach(Velocity(0.1, 0.0), Velocity(-0.2, 0.0), limits, 0.02).linear == pytest.approx(
        0.04
    )
    assert approach(Velocity(0.04, 0.0), Velocity(-0.2, 0.0), limits, 0.02).linear == 0.0


# The round


def test_a_patrol_visits_its_places_in_turn_and_begins_again():
    patrol, pose, velocity = Patrol(places=((1.0, 0.0), (0.0, 1.0))), Pose(), STILL
    reached: list[tuple[float, float]] = []
    for _ in range(3000):
        before = patrol.visited
        velocity = approach(velocity, patrol.command(pose), patrol.limits, 0.02)
        pose = advance(pose, velocity, 0.02)
        if patrol.visited > before:
            reached.append((pose.x, pose.y))
    assert len(reached) >= 3
    for place, at in zip([(1.0, 0.0), (0.0, 1.0), (1.0, 0.0)], reached, strict=False):
        assert math.dist(place, at) < 0.06


def test_what_lies_behind_is_turned_to_before_the_robot_drives():
    assert steer(Pose(), (-1.0, 0.1), Limits()) == Velocity(0.0, 1.0)
    assert steer(Pose(), (-1.0, -0.1), Limits()) == Velocity(0.0, -1.0)
    assert steer(Pose(), (1.0, 0.0), Limits()) == Velocity(0.22, 0.0)


def test_a_patrol_to_nowhere_is_refused():
    with pytest.raises(ValueError, match="at least one place"):
        Patrol(places=())


# The mux


@pytest.fixture
def mux() -> VelocityMux:
    return VelocityMux(read_mux_file(MUX_FILE))


def test_a_lock_that_was_never_heard_is_locked(mux):
    assert not mux.forwards("navigation", 0.0)
    mux.take_lock("conversation", False, 0.1)
    assert mux.forwards("navigation", 0.1)


def test_a_hold_stops_navigation_and_leaves_the_joystick_in_command(mux):
    mux.take_lock("conversation", True, 0.0)
    assert not mux.forwards("navigation", 0.01)
    assert mux.forwards("teleoperation", 0.01)


def test_a_node_that_falls_silent_locks_the_mux_after_the_timeout(mux):
    mux.take_lock("conversation", False, 0.0)
    assert mux.forwards("navigation", 0.49)
    assert not mux.forwards("navigation", 0.51)


def test_the_joystick_goes_before_navigation_until_it_has_been_let_go(mux):
    mux.take_lock("conversation", False, 0.0)
    assert mux.forwards("teleoperation", 0.0)
    assert not mux.forwards("navigation", 0.1)
    mux.take_lock("conversation", False, 0.5)
    assert mux.forwards("navigation", 0.51)


def test_the_lock_waits_for_several_messages_of_the_node():
    (lock,) = read_mux_file(MUX_FILE).locks
    assert lock.topic == "motion_hold"
    assert lock.timeout >= 3 / Parameters().hold_rate_hz


def test_the_shipped_file_has_the_parameters_of_twist_mux_and_no_others():
    # As twist_mux 4 reads them: use_stamped, and topic, timeout and priority by name.
    parameters = yaml.safe_load(MUX_FILE.read_text())["/**/twist_mux"]["ros__parameters"]
    assert set(parameters) == {"use_stamped", "topics", "locks"}
    for group in (parameters["topics"], parameters["locks"]):
        for values in group.values():
            assert {name: type(value) for name, value in values.items()} == {
                "topic": str,
                "timeout": float,
                "priority": int,
            }


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1", "no parameters .* of exactly one of /\\*\\*/twist_mux, "),
        ("", "no parameters .* of exactly one of /\\*\\*/twist_mux, "),
        ("{topic: hold, priority: 1}", "locks.stop is .* it must have topic, timeout and priority"),
        ("{topic: hold, timeout: 1, priority: 1}", "locks.stop.timeout is 1; write seconds as 0.5"),
        ("{topic: hold, timeout: 0.5, priority: 300}", "locks.stop.priority is 300"),
        ("{topic: hold, timeout: 0.5, priority: 1.0}", "locks.stop.priority is 1.0"),
    ],
)
def test_a_mux_file_that_twist_mux_would_not_read_is_named(text, problem, tmp_path):
    path = tmp_path / "mux.yaml"
    if text.startswith("{"):
        text = f"twist_mux: {{ros__parameters: {{locks: {{stop: {text}}}}}}}"
    path.write_text(text)
    with pytest.raises(ValueError, match=problem) as caught:
        read_mux_file(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("", "use_stamped is missing, with which twist_mux 4.4 and later end at once"),
        ('    use_stamped: "true"', "use_stamped is 'true'"),
    ],
)
def test_a_file_with_which_the_real_mux_would_end_is_refused(line, problem, tmp_path):
    path = tmp_path / "mux.yaml"
    path.write_text(MUX_FILE.read_text().replace("    use_stamped: true", line))
    with pytest.raises(ValueError, match=problem):
        read_mux_file(path)
