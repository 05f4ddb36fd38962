"""talk.launch.py with two robots in one process. For launch_test."""

# ruff: noqa: D101, D102

from __future__ import annotations

import unittest
from pathlib import Path

import launch_testing.actions
import launch_testing.asserts
from action_msgs.msg import GoalStatus
from ament_index_python.packages import get_package_share_directory
from client import Client
from diagnostic_msgs.msg import DiagnosticArray
from launch.actions import IncludeLaunchDescription
from launch.launch_description import LaunchDescription
from personaplex_ros.msg import AudioFrame

ROBOTS = ("robot1", "robot2")


def generate_test_description() -> LaunchDescription:
    talk = Path(get_package_share_directory("personaplex_ros")) / "launch" / "talk.launch.py"
    arguments = {"robots": ",".join(ROBOTS), "device": "cpu"}
    return LaunchDescription(
        [
            IncludeLaunchDescription(str(talk), launch_arguments=arguments.items()),
            launch_testing.actions.ReadyToTest(),
        ]
    )


def names(told: list[DiagnosticArray]) -> set[str]:
    return {status.name for message in told for status in message.status}


class TestFleet(unittest.TestCase):
    def test_every_robot_converses_and_one_may_pause_without_the_other(self) -> None:
        for robot in ROBOTS:
            client = Client(f"/{robot}")
            client.until(lambda c=client: c.state() == "active", 60.0)
            heard = client.listen("audio_out", AudioFrame)
            told = client.listen("/diagnostics", DiagnosticArray)
            client.speak(10)
            client.until(lambda h=heard: len(h) >= 8)
            client.until(lambda n=f"{robot}/personaplex: conversation", t=told: n in names(t))
            outcome, words = client.say("We are open from eight to five.")
            self.assertEqual(outcome.status, GoalStatus.STATUS_SUCCEEDED, outcome.result.message)
            self.assertEqual(len(words), 7)
            self.assertTrue(client.change("deactivate"))
            client.close()


@launch_testing.post_shutdown_test()
class TestEnd(unittest.TestCase):
    def test_the_process_ends_cleanly(self, proc_info: launch_testing.ProcInfoHandler) -> None:
        launch_testing.asserts.assertExitCodes(proc_info)
