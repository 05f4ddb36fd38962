"""Speed scaling, Nav2's pause services and REP-155, each by a parameter, in memory and over DDS."""

from __future__ import annotations

import time

import numpy as np
import pytest
from dds_support import peer
from node_support import FRAME, MemoryBus, robot

from personaplex_ros.node.conversation import Conversation
from personaplex_ros.node.dds.bus import DdsBus
from personaplex_ros.node.hosts.bus import LATCHED
from personaplex_ros.node.motion.outputs import MotionOutputs
from personaplex_ros.node.parameters.definition import ParameterError
from personaplex_ros.node.parameters.table import Parameters
from personaplex_ros.node.sound.human_voices import HumanVoices
from personaplex_ros.node.state_topics import StateTopics, TurnState

pytestmark = pytest.mark.alone

ARM = {"speed_scaling_topic": "arm/speed_scaling_input"}
NAV = {"nav2_pause_service": "nav/pause", "nav2_resume_service": "nav/resume"}
HELD = TurnState(user_speaking=True, hold=True)


def outputs(bus: MemoryBus | DdsBus, **values: object) -> tuple[StateTopics, MotionOutputs]:
    """Return motion_hold at 20 Hz and what follows it."""
    motion = MotionOutputs(bus, Parameters.of(values))
    topics = StateTopics(bus, 20.0, 8.0)
    topics.follow(lambda state: motion.follow(state.hold))
    return topics, motion


def factors(bus: MemoryBus) -> list[float]:
    return [message.factor for message in bus.topics["arm/speed_scaling_input"]]


def test_speed_is_scaled_to_nothing_while_motion_is_held():
    bus = MemoryBus()
    topics, _ = outputs(bus, **ARM, speed_scaling_factor=0.5)
    assert factors(bus) == [0.5] and bus.qos["arm/speed_scaling_input"] == LATCHED
    topics.set(HELD)
    for _ in range(5):
        bus.timers[0.05]()
    assert factors(bus) == [0.5, 0.0]
    topics.set(TurnState())
    assert factors(bus) == [0.5, 0.0, 0.5]


def test_the_end_of_the_node_lets_the_arm_go_on():
    bus = MemoryBus()
    topics, _ = outputs(bus, **ARM)
    topics.set(HELD)
    topics.close()
    assert factors(bus)[-1] == 1.0


def test_a_hold_that_the_model_no_longer_answers_for_ends_for_every_output():
    bus = MemoryBus()
    topics, _ = outputs(bus, **ARM)
    topics.hold_timeout_s = 0.05
    topics.set(HELD)
    time.sleep(0.06)
    bus.timers[0.05]()
    assert factors(bus)[-1] == 1.0 and not bus.topics["motion_hold"][-1].data


def test_by_default_nothing_but_motion_hold_is_published():
    with robot() as r:
        r.hear(2)
        assert not r.bus.clients
        assert not [topic for topic in r.bus.topics if "humans" in topic or "speed" in topic]
        assert "motion" not in r.bus.diagnostics()


def test_calls_to_pause_are_told_in_diagnostics_and_an_error_is_logged_once():
    with robot(**NAV) as r:
        r.conversation._state_topics.set(HELD)
        for _ in range(4):
            r.bus.timers[0.1]()
            time.sleep(0.2)
        status = r.bus.diagnostics()["motion"]
        assert status.level == 1 and status.message == "no server to pause"
        assert int(status.values["problems"]) == 2
        errors = [text for level, text in r.bus.lines if level == "error"]
        assert errors == ["motion_hold by nav/pause and nav/resume: no server to pause"]
        for client in r.bus.clients.values():
            client.available = True
        time.sleep(0.5)
        r.bus.timers[0.1]()
        r.bus.clients["nav/pause"].answer()
        assert r.bus.diagnostics()["motion"].values["paused"] == "true"
        r.conversation._state_topics.clear()
        assert len(r.bus.clients["nav/resume"].requests) == 1
    assert not r.bus.clients


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"nav2_pause_service": "nav/pause"}, "nav2_resume_service ''; set both, or neither"),
        ({"nav2_resume_service": "nav/resume"}, "nav2_pause_service is ''"),
    ],
)
def test_one_pause_service_alone_is_refused(values, problem):
    with pytest.raises(ParameterError, match=problem):
        Conversation(MemoryBus(), Parameters.of(values), lambda parameters: None)  # type: ignore


def without(package: str) -> MemoryBus:
    """Return a bus on a machine where a message package is not installed."""
    bus = MemoryBus()
    known = bus.message

    def message(type_name: str) -> type:
        if type_name.startswith(package):
            raise LookupError(f"the definition of {type_name} was not found; install {package}")
        return known(type_name)

    bus.message = message  # type: ignore[method-assign]
    return bus


def test_a_missing_message_package_is_named_with_its_parameter():
    with pytest.raises(ParameterError, match=r"speed_scaling_topic is 'x'.*install control_msgs"):
        outputs(without("control_msgs"), speed_scaling_topic="x")
    with pytest.raises(ParameterError, match=r"human_voice is true.*install hri_msgs"):
        HumanVoices(without("hri_msgs"), "anonymous_speaker", audio=False)


def test_without_hri_msgs_a_node_that_does_not_ask_for_it_works():
    bus = without("hri_msgs")
    conversation = Conversation(bus, Parameters(), lambda parameters: None)  # type: ignore
    conversation.shutdown()


def test_the_persons_voice_is_tracked_while_the_node_listens():
    with robot(human_voice=True) as r:
        tracked = r.bus.topics["/humans/voices/tracked"]
        assert list(tracked[-1].ids) == ["anonymous_speaker"]
        assert r.bus.qos["/humans/voices/tracked"] == LATCHED
        r.conversation.deactivate()
        assert list(tracked[-1].ids) == []
        r.conversation.cleanup()
        assert not [topic for topic in r.bus.open_topics if "humans" in topic]
        r.bus.timers[0.1]()


def test_is_speaking_follows_the_person_and_never_the_robot():
    with robot(human_voice=True, human_voice_id="visitor", human_voice_audio=True) as r:
        # Loud noise is no speech to the person's detector, but a turn to the robot's.
        rng = np.random.default_rng(0)
        for _ in range(8):
            answered = r.frames
            r.send(r.audio(rng.normal(0, 4000, FRAME).clip(-32768, 32767)))
            r.bus.wait_for(lambda n=answered: r.frames > n)
        assert r.bus.topics["robot_speaking"][-1].data
        speaking = r.bus.topics["/humans/voices/visitor/is_speaking"]
        assert not any(message.data for message in speaking)
        r.conversation._state_topics.set(TurnState(user_speaking=True, robot_speaking=False))
        assert speaking[-1].data
        r.conversation._state_topics.clear()
        assert not speaking[-1].data
        names = {topic.rpartition("/")[2] for topic in r.bus.topics if "humans" in topic}
        assert names == {"tracked", "is_speaking", "audio"}, "the robot's text is no human speech"


def test_the_voices_audio_is_what_the_microphone_heard():
    with robot(human_voice=True, human_voice_audio=True) as r:
        r.hear(1, level=100)
        r.hear(1, level=-700)
        audio = r.bus.topics["/humans/voices/anonymous_speaker/audio"]
        heard = [np.frombuffer(bytes(message.data), "<i2") for message in audio]
    assert [len(samples) for samples in heard] == [FRAME, FRAME]
    assert set(heard[0]) == {100} and set(heard[1]) == {-700}


def test_over_dds_a_controller_that_starts_late_learns_that_it_must_pause(bus: DdsBus) -> None:
    topics, motion = outputs(bus, **ARM)
    topics.set(HELD)
    with peer("controller") as arm:
        assert arm.line() == {"factor": 0.0}
        topics.clear()
        assert arm.line() == {"factor": 1.0}
    motion.close()
    topics.close()


def test_over_dds_a_navigator_is_paused_and_resumed(bus: DdsBus) -> None:
    topics, motion = outputs(bus, **NAV)
    with peer("navigator", "1") as nav:
        nav.line()
        topics.set(HELD)
        assert nav.line() == {"request": "pause", "success": True}
        topics.clear()
        assert nav.line() == {"request": "resume", "success": False}
        assert nav.line() == {"request": "resume", "success": True}, "a refusal is tried again"
    motion.close()
    topics.close()


def test_over_dds_people_tools_see_who_speaks(bus: DdsBus) -> None:
    voices = HumanVoices(bus, "anonymous_speaker", audio=False)
    with peer("people") as tool:
        assert tool.line() == {"ids": [], "speaks": False}
        voices.listen(True)
        assert tool.line() == {"ids": ["anonymous_speaker"], "speaks": False}
        voices.follow(True)
        assert tool.line() == {"ids": ["anonymous_speaker"], "speaks": True}
    voices.close()
