"""talk_sim.launch.py on the kinematic base: the robot patrols, heard and held. For launch_test."""

# ruff: noqa: D101, D102

from __future__ import annotations

import time
import unittest
from pathlib import Path

import launch_testing.actions
import launch_testing.asserts
from ament_index_python.packages import get_package_share_directory
from client import Client
from launch.actions import IncludeLaunchDescription
from launch.launch_description import LaunchDescription
from nav_msgs.msg import Odometry
from personaplex_ros.msg import AudioFrame
from std_msgs.msg import Bool

NAMESPACE = "/robot1"


def generate_test_description() -> LaunchDescription:
    sim = Path(get_package_share_directory("personaplex_ros")) / "launch" / "talk_sim.launch.py"
    arguments = {"namespace": NAMESPACE, "simulator": "kinematic", "device": "cpu"}
    return LaunchDescription(
        [
            IncludeLaunchDescription(str(sim), launch_arguments=arguments.items()),
            launch_testing.actions.ReadyToTest(),
        ]
    )


class TestPatrol(unittest.TestCase):
    def setUp(self) -> None:
        self.client = Client(NAMESPACE)
        self.client.until(lambda: self.client.state() == "active", 60.0)

    def tearDown(self) -> None:
        self.client.close()

    def test_the_robot_drives_and_the_caller_is_heard(self) -> None:
        odometry = self.client.listen("odom", Odometry)
        heard = self.client.listen("audio_in", AudioFrame)
        self.client.until(lambda: any(m.twist.twist.linear.x > 0.1 for m in odometry))
        self.client.until(lambda: heard)
        self._stands_when_held_and_goes_on(odometry)

    def _stands_when_held_and_goes_on(self, odometry: list[Odometry]) -> None:
        holds = self.client.listen("motion_hold", Bool, latched=True)

        def speed() -> float:
            twist = odometry[-1].twist.twist
            return abs(twist.linear.x) + abs(twist.angular.z)

        self.client.until(lambda: holds and holds[-1].data, 60.0)
        held = time.monotonic()
        self.client.until(lambda: speed() < 1e-3)
        self.assertLess(time.monotonic() - held, 0.35)
        self.client.until(lambda: not holds[-1].data)
        self.client.until(lambda: speed() > 0.1)


@launch_testing.post_shutdown_test()
class TestEnd(unittest.TestCase):
    def test_everything_ends_cleanly(self, proc_info: launch_testing.ProcInfoHandler) -> None:
        launch_testing.asserts.assertExitCodes(proc_info)
