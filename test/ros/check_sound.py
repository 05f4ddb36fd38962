"""sound.launch.py on a virtual card that hears itself, which is unplugged. For launch_test."""

# ruff: noqa: D101, D102

from __future__ import annotations

import array
import os
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any

import launch_testing.actions
import launch_testing.asserts
import numpy as np
from ament_index_python.packages import get_package_share_directory
from client import FRAME, RATE, Client
from diagnostic_msgs.msg import DiagnosticArray
from launch.actions import IncludeLaunchDescription, SetEnvironmentVariable
from launch.launch_description import LaunchDescription
from personaplex_ros.msg import AudioFrame

sys.path.append(os.environ["PERSONAPLEX_TESTS"])
from pulse_support import Card, alsa_devices

FOLDER = Path(tempfile.mkdtemp())
CARD = Card(FOLDER / "room", "room")
ERROR = b"\x02"


def generate_test_description() -> LaunchDescription:
    alsa_devices(
        FOLDER / "alsa.conf", virtual_mouth=(CARD, "room"), virtual_ear=(CARD, "room.monitor")
    )
    launch = Path(get_package_share_directory("personaplex_ros")) / "launch" / "sound.launch.py"
    arguments = {"namespace": "robot1", "microphone": "ear", "speaker": "mouth"}
    return LaunchDescription(
        [
            SetEnvironmentVariable("ALSA_CONFIG_PATH", str(FOLDER / "alsa.conf")),
            IncludeLaunchDescription(str(launch), launch_arguments=arguments.items()),
            launch_testing.actions.ReadyToTest(),
        ]
    )


class TestSound(unittest.TestCase):
    def test_what_is_said_is_heard_and_again_after_the_card_was_gone(self) -> None:
        client = Client("/robot1")
        levels: dict[str, bytes] = {}

        def follow(message: DiagnosticArray) -> None:
            levels.update({s.name: s.level for s in message.status if s.name.endswith("card")})

        heard = client.listen("audio_in", AudioFrame)
        client.node.create_subscription(DiagnosticArray, "/diagnostics", follow, 10)
        mouth = client.node.create_publisher(AudioFrame, "audio_out", 10)
        said = 0

        def is_heard() -> bool:
            nonlocal said
            message = AudioFrame(sample_rate=RATE, channels=1, first_sample=said)
            message.header.stamp = client.node.get_clock().now().to_msg()
            times = np.arange(said, said + FRAME) / RATE
            wave = 8_000 * np.sin(2 * np.pi * 440.0 * times)
            message.data = array.array("h", wave.astype(np.int16).tobytes())
            said += FRAME
            mouth.publish(message)
            client.spin(FRAME / RATE)
            return bool(heard) and max(heard[-1].data) > 6_000

        client.until(is_heard, 30.0)
        self.assertEqual(heard[-1].header.frame_id, "robot_microphone")
        CARD.unplug()
        client.until(lambda: set(levels.values()) == {ERROR})
        self.assertEqual(len(levels), 2)
        CARD.plug()
        heard.clear()
        client.until(is_heard, 30.0)
        client.until(lambda: ERROR not in levels.values())
        client.close()


@launch_testing.post_shutdown_test()
class TestEnd(unittest.TestCase):
    def test_the_nodes_end_well(self, proc_info: Any) -> None:
        CARD.close()
        launch_testing.asserts.assertExitCodes(proc_info)
