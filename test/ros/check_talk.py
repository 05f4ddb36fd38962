"""talk.launch.py from the install space: it comes up talking and ends cleanly. For launch_test."""

# ruff: noqa: D101, D102

from __future__ import annotations

import unittest
from pathlib import Path
from typing import Any

import launch_testing.actions
import launch_testing.asserts
from action_msgs.msg import GoalStatus
from ament_index_python.packages import get_package_share_directory
from client import Client
from diagnostic_msgs.msg import DiagnosticArray
from launch.actions import IncludeLaunchDescription
from launch.launch_description import LaunchDescription
from personaplex_ros.msg import AudioFrame
from personaplex_ros.srv import SetPersona
from rcl_interfaces.srv import GetParameters
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy
from std_msgs.msg import Bool
from std_srvs.srv import Trigger

NAMESPACE = "/robot1"


def generate_test_description() -> LaunchDescription:
    talk = Path(get_package_share_directory("personaplex_ros")) / "launch" / "talk.launch.py"
    arguments = {"namespace": NAMESPACE, "persona": "teacher", "device": "cpu"}
    return LaunchDescription(
        [
            IncludeLaunchDescription(str(talk), launch_arguments=arguments.items()),
            launch_testing.actions.ReadyToTest(),
        ]
    )


class TestTalking(unittest.TestCase):
    def setUp(self) -> None:
        self.client = Client(NAMESPACE)
        self.client.until(lambda: self.client.state() == "active", 60.0)

    def tearDown(self) -> None:
        self.client.close()

    def test_speech_answers_the_microphone_at_real_speed(self) -> None:
        heard = self.client.listen("audio_out", AudioFrame)
        self.client.until(lambda: heard)
        count = len(heard)
        self.client.speak(25)
        self.assertAlmostEqual(len(heard) - count, 25, delta=4)
        numbers = [message.first_sample for message in heard]
        self.assertEqual(numbers, list(range(numbers[0], numbers[-1] + 1, 1920)))
        self.assertEqual(
            {(m.sample_rate, m.channels, len(m.data)) for m in heard}, {(24000, 1, 1920)}
        )

    def test_state_is_latched_and_repeated_at_ten_hertz(self) -> None:
        hold = self.client.listen("motion_hold", Bool, latched=True)
        self.client.until(lambda: hold)
        self.client.spin(2.0)
        self.assertAlmostEqual(len(hold), 20, delta=5)
        self.assertFalse(any(message.data for message in hold))

    def test_quality_of_service_is_as_stated(self) -> None:
        def qos(topic: str, infos: Any) -> Any:
            found = self.client.until(
                lambda: [i for i in infos(f"{NAMESPACE}/{topic}") if i.node_name == "personaplex"]
            )
            profile = found[0].qos_profile
            return profile.reliability, profile.durability

        reliable, volatile = ReliabilityPolicy.RELIABLE, DurabilityPolicy.VOLATILE
        latched = (reliable, DurabilityPolicy.TRANSIENT_LOCAL)
        publishers = self.client.node.get_publishers_info_by_topic
        for topic in ("audio_out", "text", "transcript", "turn_event"):
            self.assertEqual(qos(topic, publishers), (reliable, volatile))
        for topic in ("motion_hold", "user_speaking", "robot_speaking", "engaged"):
            self.assertEqual(qos(topic, publishers), latched)
        subscriptions = self.client.node.get_subscriptions_info_by_topic
        self.assertEqual(qos("audio_in", subscriptions), (ReliabilityPolicy.BEST_EFFORT, volatile))

    def test_services_begin_new_conversations(self) -> None:
        answer = self.client.call(Trigger, "reset")
        self.assertTrue(answer.success, answer.message)
        answer = self.client.call(SetPersona, "set_persona", persona="casual")
        self.assertTrue(answer.success, answer.message)
        answer = self.client.call(SetPersona, "set_persona", persona="pirate")
        self.assertFalse(answer.success)
        self.assertIn("pirate", answer.message)
        names = ["persona", "text_prompt", "voice"]
        told = self.client.call(GetParameters, "get_parameters", names=names).values
        self.assertEqual([value.string_value for value in told], ["casual", "", ""])

    def test_a_prompt_that_does_not_fit_is_refused_and_the_robot_talks_on(self) -> None:
        answer = self.client.call(SetPersona, "set_persona", text_prompt="Be kind. " * 5000)
        self.assertFalse(answer.success)
        self.assertIn("context has 540", answer.message)
        heard = self.client.listen("audio_out", AudioFrame)
        self.client.until(lambda: len(heard) >= 5)

    def test_a_given_sentence_is_said_word_by_word(self) -> None:
        outcome, words = self.client.say("We are open from eight to five.")
        self.assertEqual(outcome.status, GoalStatus.STATUS_SUCCEEDED, outcome.result.message)
        self.assertEqual(" ".join(words), "We are open from eight to five.")
        self.assertEqual(outcome.result.spoken, "We are open from eight to five.")

    def test_what_is_asked_by_topic_is_done_and_told(self) -> None:
        end = self.client.ask("say_text", '{"id": "7", "text": "We are open from eight to five."}')
        self.assertEqual((end["id"], end["state"]), ("7", "succeeded"), end["message"])
        self.assertEqual(end["spoken"], "We are open from eight to five.")
        self.assertIn("pirate", self.client.ask("set_persona_request", "pirate")["message"])
        for topic, data in (("set_persona_request", "teacher"), ("reset_request", "")):
            end = self.client.ask(topic, data)
            self.assertEqual(end["message"], "began a new conversation as teacher")
        heard = self.client.listen("audio_out", AudioFrame)
        self.client.until(lambda: len(heard) >= 5)

    def test_a_robot_whose_sampling_was_changed_speaks_on(self) -> None:
        for name, value in (("greedy", True), ("text_temperature", 0.5), ("greedy", False)):
            self.assertEqual(self.client.set_parameter(name, value), (True, ""))
            outcome, words = self.client.say("We are open from eight to five.")
            self.assertEqual(outcome.status, GoalStatus.STATUS_SUCCEEDED, outcome.result.message)
            self.assertEqual(len(words), 7)

    def test_a_sentence_that_is_cancelled_ends_soon(self) -> None:
        outcome, words = self.client.say("We are open from eight to five.", cancel_after=2)
        self.assertEqual(outcome.status, GoalStatus.STATUS_CANCELED, outcome.result.message)
        self.assertLess(len(words), 5)
        self.assertEqual(outcome.result.spoken, " ".join(words))

    def test_a_sentence_that_cannot_be_said_is_rejected(self) -> None:
        for text in (" ", "日本"):
            outcome, words = self.client.say(text)
            self.assertIsNone(outcome)
            self.assertEqual(words, [])

    def test_diagnostics_come_once_a_second(self) -> None:
        heard = self.client.listen("/diagnostics", DiagnosticArray)
        self.client.spin(4.2)
        self.assertAlmostEqual(len(heard), 4, delta=1)
        names = [status.name for status in heard[-1].status]
        self.assertEqual(
            names,
            [
                "robot1/personaplex: conversation",
                "robot1/personaplex: model",
                "robot1/personaplex: microphone",
                "robot1/personaplex: echo",
            ],
        )


@launch_testing.post_shutdown_test()
class TestEnd(unittest.TestCase):
    def test_the_node_ends_cleanly(self, proc_info: Any) -> None:
        launch_testing.asserts.assertExitCodes(proc_info)
