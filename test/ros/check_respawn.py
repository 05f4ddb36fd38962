"""talk.launch.py with an interpreter and respawn: each process is started once. For launch_test."""

# ruff: noqa: D101, D102

from __future__ import annotations

import os
import sys
import unittest
from pathlib import Path
from typing import Any

import launch_testing.actions
import psutil
from ament_index_python.packages import get_package_share_directory
from client import Client
from launch.actions import GroupAction, IncludeLaunchDescription
from launch.launch_description import LaunchDescription
from launch_ros.actions import PushRosNamespace
from personaplex_ros.msg import AudioFrame

FLEET = f"fleet{os.getpid()}"


def generate_test_description() -> LaunchDescription:
    talk = Path(get_package_share_directory("personaplex_ros")) / "launch" / "talk.launch.py"
    arguments = {
        "namespace": "robot1", "device": "cpu", "python": sys.executable, "log_level": "debug",
        "respawn": "True", "respawn_delay": "0.5",
    }  # fmt: skip
    include = IncludeLaunchDescription(str(talk), launch_arguments=arguments.items())
    return LaunchDescription(
        [
            GroupAction([PushRosNamespace(FLEET), include]),
            launch_testing.actions.ReadyToTest(),
        ]
    )


def process() -> psutil.Process | None:
    for running in psutil.process_iter(["cmdline"]):
        words = running.info["cmdline"] or []
        if f"__ns:=/{FLEET}/robot1" in words and words[0] == sys.executable:
            return running
    return None


class TestRespawn(unittest.TestCase):
    def test_every_process_is_activated_once_and_stays_as_an_operator_leaves_it(self) -> None:
        client = Client(f"/{FLEET}/robot1")
        client.until(lambda: client.state() == "active", 60.0)
        for label in ("deactivate", "cleanup", "configure"):
            self.assertTrue(client.change(label))
        client.spin(2.0)
        self.assertEqual(client.state(), "inactive")

        first = process()
        assert first is not None
        first.kill()
        client.until(lambda: (p := process()) is not None and p.pid != first.pid, 20.0)
        client.until(lambda: client.alive() and client.state() == "active", 60.0)
        heard = client.listen("audio_out", AudioFrame)
        client.speak(10)
        self.assertTrue(heard)
        client.close()


@launch_testing.post_shutdown_test()
class TestEnd(unittest.TestCase):
    def test_only_the_node_logs_for_debugging(self, proc_output: Any) -> None:
        lines = [line for output in proc_output for line in output.text.decode().splitlines()]
        self.assertTrue([line for line in lines if f"[{FLEET}.robot1.personaplex]" in line])
        self.assertFalse([line for line in lines if "[rcl" in line or "[rmw" in line])
