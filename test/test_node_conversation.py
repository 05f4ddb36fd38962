"""The conversation's behaviour in good order: life cycle, topics, times, services, parameters."""

from __future__ import annotations

import threading
import time
import weakref

import numpy as np
import pytest
from node_support import FRAME, FRAME_NS, RATE, FakeEngine, MemoryBus, robot, stamps

from personaplex_ros.node.conversation import Conversation
from personaplex_ros.node.hosts.bus import LATCHED, RELIABLE
from personaplex_ros.node.hosts.messages import time_ns
from personaplex_ros.node.parameters.definition import ParameterError, State
from personaplex_ros.node.parameters.table import Parameters


def test_speech_answers_every_microphone_frame_with_running_samples_and_even_stamps():
    with robot() as r:
        r.hear(6, level=3276)
        out = r.bus.topics["audio_out"]
    assert [msg.first_sample for msg in out] == [k * FRAME for k in range(6)]
    assert all((msg.sample_rate, msg.channels, len(msg.data)) == (RATE, 1, FRAME) for msg in out)
    assert all(msg.header.frame_id == "robot_mouth" for msg in out)
    # Heard when the microphone frame that it answers has ended.
    assert stamps(out) == [r.next_stamp_ns - k * FRAME_NS for k in range(5, -1, -1)]
    assert not np.any(out[0].data) and set(out[1].data) == {3276}


def test_text_has_one_message_for_every_token_that_is_not_silent():
    with robot() as r:
        r.hear(11)
        text, speech = r.bus.topics["text"], r.bus.topics["audio_out"]
    assert [(msg.frame, msg.token, msg.text) for msg in text] == [
        (4, 104, " word4"),
        (9, 109, " word9"),
    ]
    assert stamps(text) == [stamps(speech)[4], stamps(speech)[9]]


def test_transcript_has_the_words_between_two_silences():
    with robot() as r:
        r.hear(12, level=8000)
        r.hear(15, level=0)
        r.bus.wait_for(lambda: r.bus.topics["transcript"])
        (said, *_) = r.bus.topics["transcript"]
        first_sound_ns = stamps(r.bus.topics["audio_out"])[1]
        kinds = [event.kind for event in r.bus.topics["turn_event"]]
    assert said.text == "word4 word9"
    assert not said.interrupted
    assert time_ns(said.header.stamp) == first_sound_ns
    assert time_ns(said.end) - first_sound_ns == 12 * FRAME_NS
    assert kinds[0] == "robot_started" and "robot_stopped" in kinds


def test_open_utterance_is_published_when_the_conversation_is_paused():
    with robot() as r:
        r.hear(6, level=8000)
        r.conversation.deactivate()
        assert [msg.text for msg in r.bus.topics["transcript"]] == ["word4"]


def test_robot_speaking_changes_at_once_and_is_repeated_by_the_timer():
    with robot() as r:
        repeat = r.bus.timers[0.1]
        said = r.bus.topics["robot_speaking"]
        assert not any(msg.data for msg in said)
        r.hear(4, level=8000)
        r.bus.wait_for(lambda: said[-1].data)
        count = len(said)
        repeat()
        assert [msg.data for msg in said[count:]] == [True]
        r.conversation.deactivate()
        assert not said[-1].data


def test_topics_have_the_stated_quality_of_service():
    with robot() as r:
        assert r.bus.qos["audio_in"].reliable is False
        for topic in ("audio_out", "text", "transcript", "turn_event", "/diagnostics"):
            assert r.bus.qos[topic] == RELIABLE
        for topic in ("motion_hold", "user_speaking", "robot_speaking", "engaged"):
            assert r.bus.qos[topic] == LATCHED


def test_motion_hold_is_published_before_the_model_is_there_and_until_the_end():
    with robot(activate=False) as r:
        assert [msg.data for msg in r.bus.topics["motion_hold"]] == [False]
        r.bus.timers[0.1]()
        assert len(r.bus.topics["motion_hold"]) == 2
        assert r.conversation.state is State.UNCONFIGURED
    assert "motion_hold" not in r.bus.open_topics
    assert not r.bus.timers


def test_pause_keeps_the_conversation_and_cleanup_ends_it():
    with robot() as r:
        r.hear(3)
        r.conversation.deactivate()
        assert r.conversation.state is State.INACTIVE
        r.send(r.audio(np.full(FRAME, 5)))
        assert len(r.bus.topics["audio_out"]) == 3
        r.conversation.activate()
        r.hear(2)
        assert r.session.steps == 5 and r.session.starts == []
        r.conversation.deactivate()
        r.conversation.cleanup()
        assert r.session.closed
        assert r.conversation.state is State.UNCONFIGURED
        assert r.bus.call("~/reset").message == "the node is not configured"
        assert "audio_in" not in r.bus.callbacks
        assert r.bus.open_topics == {
            "motion_hold",
            "user_speaking",
            "robot_speaking",
            "engaged",
            "recording",
            "request_state",
            "/diagnostics",
        }


def test_cleanup_frees_the_model():
    engines = []

    def load(parameters: Parameters) -> FakeEngine:
        engine = FakeEngine()
        engines.append(weakref.ref(engine))
        return engine

    conversation = Conversation(MemoryBus(), Parameters(), load)  # type: ignore[arg-type]
    conversation.configure()
    conversation.activate()
    assert engines[0]() is not None
    conversation.deactivate()
    conversation.cleanup()
    assert engines[0]() is None
    conversation.shutdown()


def test_the_model_runs_in_one_thread_that_is_not_a_callbacks():
    with robot() as r:
        r.hear(5)
        assert len(r.session.threads) == 1
        assert threading.get_ident() not in r.session.threads


def test_transitions_out_of_order_are_refused():
    with robot(activate=False) as r:
        for transition in ("activate", "deactivate", "cleanup"):
            with pytest.raises(RuntimeError, match="while unconfigured"):
                getattr(r.conversation, transition)()


def test_configure_that_fails_leaves_nothing_behind():
    with robot(activate=False, voice="unknown") as r:
        with pytest.raises(FileNotFoundError, match="no voice named unknown"):
            r.conversation.configure()
        assert r.conversation.state is State.UNCONFIGURED
        assert r.bus.call("~/reset").message == "the node is not configured"
        assert "audio_in" not in r.bus.callbacks
        r.conversation.set_parameters({"voice": ""})
        r.conversation.configure()


def test_missing_message_package_is_named_at_configure():
    with robot(activate=False) as r:
        known = r.bus.message

        def without_foxglove(type_name: str) -> type:
            if type_name.startswith("foxglove_msgs"):
                raise LookupError(f"the definition of {type_name} was not found")
            return known(type_name)

        r.bus.message = without_foxglove  # type: ignore[method-assign]
        r.conversation.set_parameters({"audio_in_type": "foxglove_msgs/msg/RawAudio"})
        with pytest.raises(LookupError, match=r"apt install ros-.*foxglove-msgs"):
            r.conversation.configure()
        assert not r.engine.prepared, "the model was loaded before the cheap checks"


def test_reset_begins_a_new_conversation():
    with robot(seed=7) as r:
        r.hear(4)
        response = r.bus.call("~/reset")
        assert response.success and "receptionist" in response.message
        r.hear(2)
        assert r.session.starts == [("receptionist", 7)]
        assert r.session.steps == 2


def test_reset_while_paused_holds_for_the_next_activation():
    with robot() as r:
        r.hear(2)
        r.conversation.deactivate()
        assert r.bus.call("~/reset").success
        r.conversation.activate()
        r.hear(1)
        assert r.session.steps == 1


def test_set_persona_prepares_while_the_conversation_goes_on():
    with robot() as r:
        r.hear(1)
        go_on = threading.Event()
        r.engine.before_prepare = lambda: go_on.wait(10.0) and None
        responses = []
        caller = threading.Thread(
            target=lambda: responses.append(
                r.bus.call("~/set_persona", persona="teacher", text_prompt="", voice="")
            )
        )
        caller.start()
        r.hear(5)
        assert r.session.persona.name == "receptionist" and not responses
        go_on.set()
        caller.join(10.0)
        assert responses[0].success, responses[0].message
        r.hear(1)
        assert r.session.persona.name == "teacher" and r.session.steps == 1
        assert r.bus.diagnostics()["conversation"].values["persona"] == "teacher"


def test_set_persona_replaces_prompt_and_voice_of_the_present_persona():
    with robot() as r:
        response = r.bus.call(
            "~/set_persona", persona="", text_prompt="You are brief.", voice="NATM0"
        )
        assert response.success, response.message
        persona = r.session.persona
        assert (persona.name, persona.text_prompt, persona.voice) == (
            "receptionist",
            "You are brief.",
            "NATM0",
        )


@pytest.mark.parametrize(
    ("request_", "problem"),
    [
        ({"persona": "pirate", "text_prompt": "", "voice": ""}, "no persona 'pirate'"),
        ({"persona": "", "text_prompt": "", "voice": "unknown"}, "no voice named unknown"),
    ],
)
def test_set_persona_that_fails_leaves_the_conversation_alone(request_, problem):
    with robot() as r:
        r.hear(2)
        response = r.bus.call("~/set_persona", **request_)
        assert not response.success and problem in response.message
        r.hear(1)
        assert r.session.steps == 3 and r.session.persona.name == "receptionist"


def test_parameters_that_may_change_at_run_time_count_from_the_next_frame():
    with robot() as r:
        r.hear(1)
        r.conversation.set_parameters({"greedy": True, "audio_top_k": 10})
        r.hear(2)
        assert r.session.sampling.greedy and r.session.sampling.audio_top_k == 10
        with pytest.raises(ParameterError, match=r"checkpoint can only be set before configure"):
            r.conversation.set_parameters({"checkpoint": "other", "greedy": False})
        assert r.conversation.parameters.greedy


def test_turn_parameters_change_during_a_conversation():
    with robot(robot_on_dbfs=-10.0, robot_off_dbfs=-20.0) as r:
        r.hear(8, level=3000)
        assert not any(msg.data for msg in r.bus.topics["robot_speaking"])
        r.conversation.set_parameters({"robot_on_dbfs": -45.0, "robot_off_dbfs": -50.0})
        r.hear(4, level=3000)
        r.bus.wait_for(lambda: r.bus.topics["robot_speaking"][-1].data)


def test_turn_parameters_that_do_not_fit_together_are_refused():
    with robot() as r:
        with pytest.raises(ParameterError, match="do not fit together"):
            r.conversation.set_parameters({"user_on": 0.2})
        assert r.conversation.parameters.user_on == 0.5


def test_seed_comes_from_the_clock_unless_one_is_set():
    with robot() as r:
        first = r.session.seed
        r.bus.call("~/reset")
        assert r.session.seed != first
        r.conversation.set_parameters({"seed": 5})
        r.bus.call("~/reset")
        assert r.session.seed == 5


def test_diagnostics_tell_frame_times_levels_and_context():
    with robot() as r:
        r.hear(10)
        status = r.bus.diagnostics()
    model = status["model"].values
    late = model["late frames"] != "0"  # on a busy machine
    assert {name: s.level for name, s in status.items()} == {
        "conversation": 0,
        "model": late,
        "microphone": 0,
        "echo": 0,
    }
    assert model["frames"] == "10"
    for name in ("frame time", "model time", "turn-taking time", "overhead"):
        p50, p99, top = (float(model[f"{name} {p}"].split()[0]) for p in ("p50", "p99", "max"))
        assert 0.0 <= p50 <= p99 <= top < 1000.0
    assert status["conversation"].values["long conversation"] == "pin"
    assert status["conversation"].values["persona in reach"] == "yes"
    assert status["conversation"].values["context used"] == f"{100 * 40 / 3000:.1f} %"
    assert status["microphone"].values["chunks"] == "10"
    assert status["microphone"].values["waiting"] == "0 ms"


@pytest.mark.parametrize("name", ["speech.wav", "speech.flac"])
def test_speech_also_goes_into_a_file_when_asked(tmp_path, name):
    import soundfile

    path = tmp_path / name
    with robot(audio_sink=f"file:{path}") as r:
        r.hear(3, level=3276)
    samples, rate = soundfile.read(path, dtype="int16")
    assert soundfile.info(path).format == path.suffix[1:].upper()
    assert rate == RATE and len(samples) == 3 * FRAME
    assert set(samples[:FRAME]) == {0} and set(samples[FRAME:]) == {3276}


def test_a_sound_file_of_an_unknown_kind_is_refused_before_the_model_is_loaded(tmp_path):
    with robot(activate=False, audio_sink=f"file:{tmp_path}/speech.mp3") as r:
        with pytest.raises(ValueError, match=r"no sound is written as '\.mp3'"):
            r.conversation.configure()
        assert not r.engine.sessions


def test_a_wave_file_can_be_the_microphone(tmp_path):
    import soundfile

    path = tmp_path / "caller.wav"
    soundfile.write(path, np.full(RATE // 2, 0.25), RATE, subtype="PCM_16")
    with robot(audio_source=f"file:{path}") as r:
        r.bus.wait_for(lambda: len(r.bus.topics["audio_out"]) == 6)
        assert "audio_in" not in r.bus.callbacks
        assert set(r.bus.topics["audio_out"][1].data) == {8192}


def test_a_missing_wave_file_is_named_at_configure(tmp_path):
    with robot(activate=False, audio_source=f"file:{tmp_path}/none.wav") as r:
        with pytest.raises(FileNotFoundError, match=r"none\.wav"):
            r.conversation.configure()


def test_sampling_that_was_set_in_a_pause_counts_afterwards():
    with robot() as r:
        r.hear(1)
        r.conversation.deactivate()
        r.conversation.set_parameters({"text_temperature": 0.5})
        r.conversation.activate()
        r.next_sample, r.next_stamp_ns = 0, 0
        r.hear(1)
        assert r.session.sampling.text_temperature == 0.5


def test_who_asks_while_the_model_is_loaded_need_not_wait():
    go_on, loading = threading.Event(), threading.Event()
    with robot(activate=False) as r:

        def load(parameters):
            loading.set()
            assert go_on.wait(10.0)
            return r.engine

        r.conversation._load_engine = load
        configuring = threading.Thread(target=r.conversation.configure)
        configuring.start()
        try:
            assert loading.wait(10.0)
            begin = time.monotonic()
            r.conversation.set_parameters({"text_temperature": 0.5})
            with pytest.raises(ParameterError, match="before configure"):
                r.conversation.set_parameters({"checkpoint": "other"})
            for service in ("~/reset", "~/set_persona"):
                assert "is being configured" in r.bus.call(service).message
            assert time.monotonic() - begin < 5.0  # the model would take 10 s
        finally:
            go_on.set()
            configuring.join()
        r.conversation.activate()
        r.hear(1)
        assert r.session.sampling.text_temperature == 0.5


def test_times_that_were_never_measured_are_no_numbers():
    with robot() as r:
        values = r.bus.diagnostics()["model"].values
        assert values["frame time p50"] == "none yet"
        assert not any("nan" in value for value in values.values())


def test_a_diagnosis_while_the_model_is_freed_tells_of_no_model_and_fails_not(monkeypatch):
    def freed_meanwhile(*_: object) -> None:
        r.conversation.deactivate()
        r.conversation.cleanup()
        raise RuntimeError("this session is closed")

    with robot() as r:
        r.hear(2, level=3276)
        with monkeypatch.context() as patch:
            patch.setattr("personaplex_ros.node.conversation.model_snapshot", freed_meanwhile)
            assert "model" not in r.bus.diagnostics()
        r.conversation.configure()
        r.conversation.activate()
        r.hear(2, level=3276)
        assert "model" in r.bus.diagnostics()
        assert set(r.bus.topics["audio_out"][-1].data) == {3276}
