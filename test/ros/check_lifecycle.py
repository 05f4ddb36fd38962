"""The managed node step by step, without autostart. For launch_test."""

# ruff: noqa: D101, D102

from __future__ import annotations

import unittest
from pathlib import Path
from typing import Any

import launch_testing.actions
import launch_testing.asserts
from ament_index_python.packages import get_package_share_directory
from client import Client
from launch.actions import IncludeLaunchDescription
from launch.launch_description import LaunchDescription
from personaplex_ros.msg import AudioFrame
from rcl_interfaces.msg import Parameter, ParameterValue
from rcl_interfaces.srv import SetParameters
from std_msgs.msg import Bool


def generate_test_description() -> LaunchDescription:
    talk = Path(get_package_share_directory("personaplex_ros")) / "launch" / "talk.launch.py"
    arguments = {"autostart": "false", "device": "cpu"}
    return LaunchDescription(
        [
            IncludeLaunchDescription(str(talk), launch_arguments=arguments.items()),
            launch_testing.actions.ReadyToTest(),
        ]
    )


class TestLifecycle(unittest.TestCase):
    def setUp(self) -> None:
        self.client = Client()

    def tearDown(self) -> None:
        self.client.close()

    def test_life_cycle_with_parameters_that_are_checked(self) -> None:
        client = self.client
        self.assertEqual(client.state(), "unconfigured")
        hold = client.listen("motion_hold", Bool, latched=True)
        client.until(lambda: hold)
        speech = client.listen("audio_out", AudioFrame)

        # A configuration that cannot be: told, and nothing is left behind.
        self.assertEqual(client.set_parameter("checkpoint", "/nowhere"), (True, ""))
        self.assertFalse(client.change("configure"))
        self.assertEqual(client.state(), "unconfigured")
        self.assertTrue(client.set_parameter("checkpoint", "nano")[0])

        self.assertTrue(client.change("configure"))
        self.assertEqual(client.state(), "inactive")
        done, reason = client.set_parameter("checkpoint", "other")
        self.assertFalse(done)
        self.assertIn("clean up the node first", reason)
        client.speak(3)
        self.assertEqual(speech, [])

        self.assertTrue(client.change("activate"))
        for number in (0, 1, 3, 5, 10, 60, 255):
            self.assertFalse(client.change(number=number))
        self._set_with_other_types()
        client.speak(10)
        self.assertGreater(len(speech), 5)
        self.assertFalse(client.set_parameter("max_backlog_frames", 9)[0])
        self.assertTrue(client.set_parameter("text_temperature", 0.5)[0])
        self.assertFalse(client.set_parameter("text_temperature", 9.0)[0])
        self.assertFalse(client.set_parameter("text_temperature", "hot")[0])
        self.assertEqual(client.parameter("text_temperature").double_value, 0.5)

        self.assertTrue(client.change("deactivate"))
        client.spin(0.3)
        said = len(speech)
        client.speak(5)
        self.assertEqual(len(speech), said)
        self.assertEqual(client.state(), "inactive")
        self.assertTrue(client.change("cleanup"))
        self.assertTrue(client.change("configure"))
        self.assertTrue(client.change("activate"))
        client.speak(10)
        self.assertGreater(len(speech), said)
        self.assertTrue(client.change("shutdown"))
        self.assertEqual(client.state(), "finalized")

    def _set_with_other_types(self) -> None:
        """Set an integer for a double, and what has no type that there is."""
        client = self.client
        self.assertEqual(client.set_parameter("hold_timeout_s", 9), (True, ""))
        self.assertEqual(client.parameter("hold_timeout_s").double_value, 9.0)
        self.assertFalse(client.set_parameter("hold_timeout_s", True)[0])
        self.assertFalse(client.set_parameter("seed", 25.0)[0])
        unknown = Parameter(name="seed", value=ParameterValue(type=77))
        self.assertEqual(
            client.call(SetParameters, "set_parameters", parameters=[unknown]).results, []
        )

    def test_parameters_are_described_with_their_ranges(self) -> None:
        found = self.client.descriptor("text_temperature")
        self.assertIn("Sampling temperature", found.description)
        (span,) = found.floating_point_range
        self.assertEqual((span.from_value, span.to_value), (0.01, 5.0))
        (span,) = self.client.descriptor("seed").integer_range
        self.assertEqual((span.from_value, span.to_value), (-1, 2**31 - 1))
        self.assertTrue(self.client.descriptor("hold_rate_hz").read_only)


@launch_testing.post_shutdown_test()
class TestEnd(unittest.TestCase):
    def test_the_node_ends_cleanly(self, proc_info: Any) -> None:
        launch_testing.asserts.assertExitCodes(proc_info)
