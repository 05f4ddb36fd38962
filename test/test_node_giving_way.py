"""A robot that talks on when it is interrupted, and the node's help."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from node_support import FRAME, FRAME_NS, RATE, FakeSession, MemoryBus, Robot, robot, stamps
from numpy.typing import NDArray
from test_say_goals import FakeGoal, Speaker

from personaplex_ros.audio import read_wave
from personaplex_ros.engine import Engine
from personaplex_ros.node.conversation import Conversation
from personaplex_ros.node.parameters.table import Parameters
from personaplex_ros.resources import share_directory

CALLER = read_wave(share_directory() / "config" / "demo" / "caller.wav").samples[:, 0]
BREAKING_IN_S = (10.8, 14.0)  # "Sorry, wait, when do you close today?"
KINDS = ("interruption", "robot_silenced", "robot_yielded", "robot_kept_floor")
TONE = 0.1 * np.sin(2 * np.pi * 200 * np.arange(FRAME) / RATE).astype(np.float32)


def breaking_in() -> NDArray[np.float32]:
    """Return the caller's frames [n, frame_size], the first sound 0.1 s after the begin."""
    begin_s, end_s = BREAKING_IN_S
    samples = CALLER[round(begin_s * RATE) : round(end_s * RATE)]
    return samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)


def say_to(r: Robot, frames: NDArray[np.float32]) -> None:
    """Let the robot hear frames one by one."""
    for frame in frames:
        answered = r.frames
        r.send(r.audio(frame * 32767))
        r.bus.wait_for(lambda n=answered: r.frames > n)


def talk_on(r: Robot) -> None:
    """Let the model talk without end, unless it is kept silent."""
    session = r.session
    session.speech = lambda _: np.zeros(FRAME, np.float32) if session.kept_silent else TONE.copy()


def told(bus: MemoryBus) -> list[Any]:
    return [e for e in bus.topics["turn_event"] if e.kind in KINDS and e.state == "confirmed"]


def heard(bus: MemoryBus) -> NDArray[np.float64]:
    """Return the greatest amplitude of each frame of audio_out."""
    frames = np.array([message.data for message in bus.topics["audio_out"]], float)
    levels: NDArray[np.float64] = np.abs(frames).max(axis=1) / 32767
    return levels


def test_a_robot_that_talks_on_is_silenced_and_speaks_again_when_it_will() -> None:
    with robot(**{"yield": "assist"}) as r:
        talk_on(r)
        r.hear(25, level=0)
        say_to(r, breaking_in())
        r.hear(14, level=0)
        interruption, silenced, yielded, *again = told(r.bus)
        levels, times = heard(r.bus), stamps(r.bus.topics["audio_out"])
        r.bus.wait_for(lambda: r.bus.topics["transcript"])
    assert [e.kind for e in (interruption, silenced, yielded)] == [
        "interruption", "robot_silenced", "robot_yielded",
    ]  # fmt: skip
    assert interruption.episode == silenced.episode == yielded.episode
    # It begins anew while the person still speaks, and again when the person has ended.
    assert [e.kind for e in again] == ["robot_silenced"] * len(again) and again
    begin, *_ = np.flatnonzero((levels == 0) & (np.arange(len(levels)) > 0))
    assert 0 < times[begin] - stamps([silenced])[0] <= 3 * FRAME_NS  # faded by then
    assert not levels[begin : begin + 5].any()  # robot_end_silence_s
    assert np.all(levels[-5:] > 0.09)  # as loud as before
    assert r.bus.topics["transcript"][0].interrupted


def test_left_to_the_model_nobody_meddles() -> None:
    with robot(**{"yield": "model"}) as r:
        talk_on(r)
        r.hear(25, level=0)
        say_to(r, breaking_in())
        assert [e.kind for e in told(r.bus)] == ["interruption", "robot_kept_floor"]
        assert np.all(heard(r.bus) > 0.09)


def test_it_may_be_changed_while_the_robot_talks_and_a_new_conversation_is_free() -> None:
    with robot() as r:
        talk_on(r)
        r.conversation.set_parameters({"yield": "assist", "yield_after_s": 0.0})
        r.hear(25, level=0)
        say_to(r, breaking_in()[:14])
        assert [e.kind for e in told(r.bus)][:2] == ["interruption", "robot_silenced"]
        assert r.session.kept_silent
        assert r.bus.call("~/reset").success
        assert not r.session.kept_silent
        r.hear(2, level=0)
        assert heard(r.bus)[-1] == pytest.approx(0.1, abs=0.01)


@pytest.fixture
def _speaker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let models say what they are given, a word with each frame."""
    voice = Speaker()

    def push(session: FakeSession, frame: Any) -> Any:
        if voice.saying is not None:
            voice.word()
        return echo(session, frame)

    def keep_silent(session: FakeSession) -> None:
        session.kept_silent = True
        voice.hush()

    echo = FakeSession.push
    monkeypatch.setattr(FakeSession, "push", push)
    monkeypatch.setattr(FakeSession, "say", lambda _, text: voice.say(text), raising=False)
    monkeypatch.setattr(FakeSession, "hush", lambda _: voice.hush())
    monkeypatch.setattr(FakeSession, "keep_silent", keep_silent)


def broken_into(r: Robot) -> FakeGoal:
    """Return a long goal after a person broke in."""
    r.hear(5, level=0)
    goal = FakeGoal(" ".join(["word"] * 60))
    r.bus.actions["~/say"](goal)
    r.hear(10, level=0)
    say_to(r, breaking_in()[:30])
    return goal


@pytest.mark.usefixtures("_speaker")
def test_a_given_sentence_is_silenced_and_a_new_one_is_heard_at_once() -> None:
    with robot(**{"yield": "assist"}) as r:
        talk_on(r)
        goal = broken_into(r)
        assert (goal.outcome, goal.result.message) == ("aborted", "the person broke in")
        assert goal.result.spoken.split() == ["word"] * len(goal.told)
        assert 15 < len(goal.told) < 40
        again = FakeGoal("yes")
        r.bus.actions["~/say"](again)
        r.hear(2, level=0)
        assert heard(r.bus)[-1] == pytest.approx(0.1, abs=0.01)
        assert again.told


@pytest.mark.usefixtures("_speaker")
@pytest.mark.parametrize(("yield_", "outcome"), [("assist", "aborted"), ("model", "")])
def test_a_given_sentence_does_not_go_on_where_the_model_gave_way_by_itself(
    yield_: str, outcome: str
) -> None:
    with robot(**{"yield": yield_}) as r:
        r.session.speech = lambda _: np.where(r.session.steps < 22, TONE, 0).astype(np.float32)
        goal = broken_into(r)
        assert [e.kind for e in told(r.bus)] == ["interruption", "robot_yielded"]
        assert goal.outcome == outcome
        assert not outcome or goal.result.message == "the person broke in"


@pytest.mark.usefixtures("_speaker")
def test_left_to_the_model_a_given_sentence_is_said_to_its_end() -> None:
    with robot(**{"yield": "model"}) as r:
        talk_on(r)
        goal = broken_into(r)
        assert not goal.outcome and len(goal.told) == 40


def test_nano_answers_who_broke_into_a_given_sentence() -> None:
    """The whole of it with a real model: its sentence is long, and is given to it."""
    bus, engine = MemoryBus(), Engine.load("nano", device="cpu")
    # There is no loudspeaker whose sound could come back.
    values = {"yield": "assist", "echo_cancellation": "off", "late_audio_timeout_s": 2.0, "seed": 1}
    conversation = Conversation(bus, Parameters.of(values), lambda _: engine)
    try:
        conversation.configure()
        conversation.activate()
        r = Robot(bus, None, conversation)  # type: ignore[arg-type]
        r.hear(6, level=0)
        goal = FakeGoal("The meeting room is on the second floor. " * 4)
        bus.actions["~/say"](goal)
        r.hear(25, level=0)
        say_to(r, breaking_in())
        r.hear(30, level=0)
        events, words = told(bus), bus.topics["text"]
    finally:
        conversation.shutdown()
    assert goal.outcome == "aborted" and goal.result.message == "the person broke in"
    kinds = [e.kind for e in events]  # whether nano falls silent by itself is a matter of a frame
    assert kinds[0] == "interruption" and kinds[-1] == "robot_yielded"
    silent_ns = stamps(events)[-1]
    answer = "".join(word.text for word in words if stamps([word])[0] > silent_ns)
    assert "close at" in answer.lower(), answer
