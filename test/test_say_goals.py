"""The action ~/say: what a goal gets for each frame, and how each goal ends."""

# ruff: noqa: D102

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from node_support import FRAME, FRAME_NS, FakeSession, MemoryBus, Robot, robot
from reference import GREEDY, talk

from personaplex_ros.engine import Engine, Persona, Saying
from personaplex_ros.node.hosts.messages import time_ns
from personaplex_ros.node.requests.say_action import SAY
from personaplex_ros.node.requests.say_goals import TAIL_FRAMES, SayGoals

TYPE: Any = MemoryBus().message(SAY)


@dataclass
class FakeGoal:
    """A goal whose client is the test."""

    text: str
    cancel_requested: bool = False
    told: list[Any] = field(default_factory=list)
    outcome: str = ""
    result: Any = None

    @property
    def request(self) -> Any:
        return TYPE.Goal(text=self.text)

    def feedback(self, message: Any) -> None:
        assert not self.outcome
        self.told.append(message)

    def end(self, outcome: str, result: Any) -> None:
        assert not self.outcome, "ended twice"
        self.outcome, self.result = outcome, result


class Speaker:
    """A session that says what it is given, a word when the test says so."""

    saying: Saying | None = None

    def say(self, text: str) -> Saying:
        words = tuple(text.split())
        if not words:
            raise ValueError("there is no word to say")
        self.hush()
        self.saying = Saying(words, tuple(range(len(words))), len(words))
        return self.saying

    def hush(self) -> None:
        if self.saying is not None and not self.saying.ended:
            self.saying.cancelled = True

    def word(self) -> None:
        assert self.saying is not None
        self.saying.follow(silent=False)


def let_speak(monkeypatch: pytest.MonkeyPatch) -> Speaker:
    """Let the fake model say what it is given, a word with each frame, and nothing else."""
    voice = Speaker()
    echo = FakeSession.push

    def push(session: FakeSession, frame: Any) -> Any:
        session.speech = np.zeros_like
        if voice.saying is not None:
            voice.word()
        return echo(session, frame)

    monkeypatch.setattr(FakeSession, "push", push)
    monkeypatch.setattr(FakeSession, "say", lambda session, text: voice.say(text), raising=False)
    monkeypatch.setattr(FakeSession, "hush", lambda session: voice.hush())
    return voice


@pytest.fixture
def speaker() -> Speaker:
    return Speaker()


@pytest.fixture
def goals(speaker: Speaker) -> SayGoals:
    return SayGoals(MemoryBus(), speaker)  # type: ignore[arg-type]


def begun(goals: SayGoals, text: str) -> FakeGoal:
    goal = FakeGoal(text)
    goals.begin(goal)
    return goal


def test_feedback_comes_with_the_frame_in_which_a_word_begins(
    goals: SayGoals, speaker: Speaker
) -> None:
    goal = begun(goals, "good morning")
    for frame in range(6):
        if frame in (1, 4):
            speaker.word()
        goals.follow(frame * FRAME_NS, robot_speaking=True)
    told = [(m.word, m.index, m.count, time_ns(m.stamp)) for m in goal.told]
    assert told == [("good", 0, 2, FRAME_NS), ("morning", 1, 2, 4 * FRAME_NS)]


def test_a_sentence_is_said_when_its_last_sound_has_ended(
    goals: SayGoals, speaker: Speaker
) -> None:
    goal = begun(goals, "yes")
    speaker.word()
    goals.follow(0, robot_speaking=True)
    assert not goal.outcome
    goals.follow(FRAME_NS, robot_speaking=False)
    assert goal.outcome == "succeeded"
    assert (goal.result.success, goal.result.message, goal.result.spoken) == (True, "", "yes")


def test_a_model_that_talks_on_keeps_no_goal_waiting(goals: SayGoals, speaker: Speaker) -> None:
    goal = begun(goals, "yes")
    speaker.word()
    for frame in range(TAIL_FRAMES):
        goals.follow(frame, robot_speaking=True)
        assert not goal.outcome
    goals.follow(TAIL_FRAMES, robot_speaking=True)
    assert goal.outcome == "succeeded"


def test_a_cancelled_sentence_is_broken_off_and_ends_when_the_robot_is_silent(
    goals: SayGoals, speaker: Speaker
) -> None:
    goal = begun(goals, "a long story")
    speaker.word()
    goals.follow(0, robot_speaking=True)
    goal.cancel_requested = True
    goals.follow(1, robot_speaking=True)
    assert speaker.saying is not None and speaker.saying.cancelled and not goal.outcome
    goals.follow(2, robot_speaking=False)
    assert (goal.outcome, goal.result.success, goal.result.spoken) == ("canceled", False, "a")


def test_a_sentence_that_was_said_before_it_was_cancelled_has_succeeded(
    goals: SayGoals, speaker: Speaker
) -> None:
    goal = begun(goals, "yes")
    speaker.word()
    goals.follow(0, robot_speaking=True)
    goal.cancel_requested = True
    goals.follow(1, robot_speaking=False)
    assert goal.outcome == "succeeded"


def test_a_newer_goal_takes_the_place_of_an_older_one(goals: SayGoals, speaker: Speaker) -> None:
    first = begun(goals, "a long story")
    speaker.word()
    goals.follow(0, robot_speaking=True)
    second = begun(goals, "yes")
    assert (first.outcome, first.result.spoken) == ("aborted", "a")
    assert first.result.message == "another sentence took its place"
    speaker.word()
    goals.follow(1, robot_speaking=False)
    assert second.outcome == "succeeded" and [m.word for m in second.told] == ["yes"]


def test_a_text_that_cannot_be_said_leaves_the_one_that_is_being_said(
    goals: SayGoals, speaker: Speaker
) -> None:
    first = begun(goals, "yes")
    empty = begun(goals, "  ")
    assert (empty.outcome, empty.result.message) == ("aborted", "there is no word to say")
    speaker.word()
    goals.follow(0, robot_speaking=False)
    assert first.outcome == "succeeded"


def test_a_new_conversation_aborts_it(goals: SayGoals, speaker: Speaker) -> None:
    goal = begun(goals, "a long story")
    speaker.hush()
    goals.follow(0, robot_speaking=False)
    assert (goal.outcome, goal.result.message) == ("aborted", "the conversation began anew")


@pytest.fixture
def speaking(monkeypatch: pytest.MonkeyPatch) -> Iterator[Robot]:
    """Return a node whose model says what it is given, a word with each frame."""
    voice = Speaker()

    def push(session: FakeSession, frame: Any) -> Any:
        if voice.saying is not None:
            voice.word()
        return echo(session, frame)

    echo = FakeSession.push
    monkeypatch.setattr(FakeSession, "push", push)
    monkeypatch.setattr(FakeSession, "say", lambda session, text: voice.say(text), raising=False)
    monkeypatch.setattr(FakeSession, "hush", lambda session: voice.hush())
    with robot() as r:
        yield r


def sent(r: Robot, text: str) -> FakeGoal:
    goal = FakeGoal(text)
    r.bus.actions["~/say"](goal)
    return goal


def test_the_node_says_a_sentence_while_it_converses(speaking: Robot) -> None:
    goal = sent(speaking, "good morning")
    speaking.hear(4, level=0)
    assert goal.outcome == "succeeded"
    heard = [time_ns(m.header.stamp) for m in speaking.bus.topics["audio_out"]]
    assert [time_ns(message.stamp) for message in goal.told] == heard[:2]


@pytest.mark.parametrize(
    "end",
    [
        lambda speaking: speaking.conversation.deactivate(),
        lambda speaking: speaking.bus.call("~/reset"),
        lambda speaking: speaking.conversation.shutdown(),
    ],
    ids=["deactivate", "reset", "shutdown"],
)
def test_what_ends_the_conversation_aborts_the_sentence(
    speaking: Robot, end: Callable[[Robot], Any]
) -> None:
    goal = sent(speaking, "a story that takes a long time")
    speaking.hear(2)
    end(speaking)
    speaking.bus.wait_for(lambda: goal.outcome)
    assert (goal.outcome, goal.result.spoken) == ("aborted", "a story")
    assert "the conversation" in goal.result.message


def test_a_node_that_is_not_active_says_why_it_does_not_speak() -> None:
    with robot(activate=False) as r:
        assert sent(r, "good morning").outcome == "rejected"
        assert r.bus.wait_for_log("the node is not active")


def test_a_goal_that_cannot_be_spoken_is_rejected_and_the_one_before_goes_on(
    speaking: Robot,
) -> None:
    first = sent(speaking, "good morning")
    assert sent(speaking, " ").outcome == "rejected"
    assert speaking.bus.wait_for_log("~/say: rejected a goal: there is no word to say")
    speaking.hear(4, level=0)
    assert first.outcome == "succeeded"


def test_a_model_that_has_failed_says_how_to_mend_it() -> None:
    def fail(step: int) -> None:
        raise RuntimeError("out of memory")

    with robot(max_model_restarts=0) as r:
        r.session.before_push = fail
        r.send(r.audio(np.ones(FRAME)))
        r.bus.wait_for_log("stays silent")
        goal = sent(r, "good morning")
        assert goal.outcome == "rejected" and r.bus.wait_for_log("rejected a goal: the model has")


def test_a_real_model_says_every_word_of_a_goal(small_checkpoint: Path) -> None:
    engine = Engine.load(small_checkpoint, device="cpu")
    session = engine.open(Persona("talker", "You enjoy having a good conversation."), GREEDY)
    goals = SayGoals(MemoryBus(), session)
    goal = begun(goals, "the quiet rooms look onto the garden")
    for number, frame in enumerate(talk(engine, 10.0)):
        session.push(frame)
        goals.follow(number * FRAME_NS, robot_speaking=False)
        if goal.outcome:
            break
    assert goal.outcome == "succeeded"
    assert [m.word for m in goal.told] == "the quiet rooms look onto the garden".split()
    stamps = [time_ns(m.stamp) for m in goal.told]
    assert stamps == sorted(set(stamps))
