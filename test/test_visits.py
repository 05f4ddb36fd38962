"""People come and go: fresh conversations for each, and greetings that cut nobody off."""

from __future__ import annotations

import contextlib
import difflib
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile
from node_support import FRAME, MemoryBus, Robot, robot
from test_recording import read_folder
from test_say_goals import Speaker, let_speak, sent

from personaplex_ros.engine import Engine
from personaplex_ros.node.conversation import Conversation
from personaplex_ros.node.parameters.definition import ParameterError
from personaplex_ros.node.parameters.table import Parameters
from personaplex_ros.node.requests.say_goals import SayGoals
from personaplex_ros.node.visits.arrivals import Presence
from personaplex_ros.node.visits.visits import QUIET_FRAMES, Visits
from personaplex_ros.recording import Archive
from personaplex_ros.resources import share_directory
from personaplex_ros.training.evaluation.recogniser import Recogniser
from personaplex_ros.turns import TurnEvent, TurnUpdate

CALLER = share_directory() / "config" / "demo" / "caller.wav"
FRESH = {"new_conversation": "on_engagement"}
GREETING = "Hello and welcome. How can I help you?"


def caller(begin_s: float, end_s: float) -> np.ndarray:
    """Return part of the recorded caller, whose first question goes from 1.0 to 3.5 s."""
    samples, rate = soundfile.read(CALLER, dtype="int16")
    assert rate == 24_000
    return samples[round(begin_s * rate) : round(end_s * rate)]


def listen(r: Robot, samples: np.ndarray) -> None:
    """Let the robot hear int16 samples, frame by frame as it answers."""
    for first in range(0, len(samples) - FRAME + 1, FRAME):
        answered = r.frames
        r.send(r.audio(samples[first : first + FRAME]))
        r.bus.wait_for(lambda n=answered: r.frames > n)


def kinds(r: Robot) -> list[str]:
    return [event.kind for event in r.bus.topics["turn_event"]]


class Desk:
    """Visits of a robot whose turns the test tells."""

    def __init__(self, **parameters: Any) -> None:
        self.bus = MemoryBus()
        self.speaker = Speaker()
        self.say = SayGoals(self.bus, self.speaker)  # type: ignore[arg-type]
        self.begun: list[str] = []
        self.visits = Visits(self.bus, self.say, self.say.begin, self._begin)
        self.parameters = Parameters.of(parameters)

    def _begin(self, why: str) -> None:
        self.begun.append(why)
        self.visits.begun(why)

    def frame(self, *events: str, user: bool = False, robot: bool = False, engaged: bool = False,
              state: str = "confirmed") -> None:  # fmt: skip
        """Let a frame pass in which these things were decided."""
        told = [TurnEvent(kind, 0, 0, 1.0, 1, state) for kind in events]
        self.say.follow(0, robot)
        self.visits.follow(
            TurnUpdate(told, user, robot, engaged, False, None, None), self.parameters
        )

    def frames(self, count: int, **state: bool) -> None:
        """Let frames pass in which nothing is decided."""
        for _ in range(count):
            self.frame(**state)

    def leave(self) -> None:
        """Let somebody have been there and leave."""
        self.frame("engagement_started", user=True, engaged=True)
        self.frames(QUIET_FRAMES + 1, engaged=True)
        self.frame("engagement_ended")


def test_a_conversation_begins_anew_when_somebody_has_left() -> None:
    desk = Desk(**FRESH)
    desk.frames(30)
    assert desk.begun == []
    desk.leave()
    assert desk.begun == ["the engagement has ended"]
    desk.frames(100)
    assert len(desk.begun) == 1
    desk.leave()
    assert len(desk.begun) == 2
    assert "began a new conversation: the engagement has ended" in desk.bus.lines[-1][1]


def test_it_does_not_unless_it_is_to() -> None:
    desk = Desk()
    desk.leave()
    desk.frames(100)
    assert desk.begun == []
    desk.parameters = Parameters.of(FRESH)
    desk.frames(100)
    assert desk.begun == [], "that engagement ended before it was wanted"


@pytest.mark.parametrize("who", ["user", "robot"])
def test_nobody_is_cut_off_by_a_new_conversation(who: str) -> None:
    desk = Desk(**FRESH)
    desk.frame("engagement_started", user=True, engaged=True)
    desk.frame(f"{who}_started", "engagement_ended", **{who: True})
    desk.frames(10, **{who: True})
    assert desk.begun == []
    desk.frame(f"{who}_stopped")
    desk.frames(QUIET_FRAMES - 2)
    assert desk.begun == []
    desk.frames(1)
    assert desk.begun == ["the engagement has ended"]


def test_a_suspicion_that_somebody_speaks_is_waited_for() -> None:
    desk = Desk(**FRESH)
    desk.frame("engagement_started", user=True, engaged=True)
    desk.frames(50, engaged=True)
    desk.frame("user_started", "engagement_ended", state="suspected")
    desk.frames(50)
    assert desk.begun == []
    desk.frame("user_stopped")
    desk.frames(QUIET_FRAMES)
    assert desk.begun == ["the engagement has ended"]


def test_a_visitor_who_comes_at_the_last_moment_goes_on_with_the_conversation() -> None:
    desk = Desk(**FRESH)
    desk.frame("engagement_started", user=True, engaged=True)
    desk.frame("engagement_ended", "user_started", user=True)
    desk.frame("engagement_started", user=True, engaged=True)
    desk.frames(100, engaged=True)
    assert desk.begun == []
    desk.frame("engagement_ended")
    assert len(desk.begun) == 1


def test_a_sentence_that_is_being_said_is_said_to_its_end() -> None:
    desk = Desk(**FRESH)
    desk.frame("engagement_started", user=True, engaged=True)
    desk.frames(50, engaged=True)
    desk.say.begin(SimpleNamespace(
        request=SimpleNamespace(text="good morning"), cancel_requested=False,
        feedback=lambda message: None, end=lambda outcome, result: None,
    ))  # fmt: skip
    desk.frame("engagement_ended")
    desk.frames(50)
    assert desk.begun == []
    for _ in range(2):
        desk.speaker.word()
    desk.frames(2)
    assert len(desk.begun) == 1


def test_somebody_who_arrives_is_greeted_before_they_have_spoken() -> None:
    desk = Desk()
    desk.frames(10)
    desk.visits.greet("")
    desk.frame()
    assert desk.speaker.saying is not None
    assert " ".join(desk.speaker.saying.words) == GREETING
    desk.visits.greet("Good morning.")
    desk.frame()
    assert desk.visits.counters.dropped_greetings == 1, "it speaks already"
    assert desk.bus.lines[-1] == (
        "warn", "the greeting 'Good morning.' was dropped: the robot is speaking"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ({"user": True}, "somebody is talking with the robot"),
        ({"engaged": True}, "somebody is talking with the robot"),
        ({"robot": True}, "the robot is speaking"),
    ],
)
def test_a_greeting_never_talks_into_a_talk(state: dict[str, bool], told: str) -> None:
    desk = Desk()
    desk.visits.greet("")
    desk.frame(**state)
    assert desk.speaker.saying is None
    assert told in desk.bus.lines[-1][1] and desk.visits.counters.greetings == 0


def test_a_greeting_gives_way_to_somebody_who_speaks() -> None:
    desk = Desk()
    desk.visits.greet("")
    desk.frame()
    for _ in range(3):
        desk.speaker.word()
    desk.frame(robot=True)
    desk.frame("user_started", robot=True, state="suspected")
    desk.frame(robot=True)
    assert desk.speaker.saying is not None and desk.speaker.saying.cancelled
    desk.frame()
    assert desk.bus.lines[-1][1] == "the greeting gave way to a person, after 'Hello and welcome.'"


def test_whoever_is_greeted_meets_a_fresh_robot() -> None:
    desk = Desk(**FRESH)
    desk.frames(20)
    desk.visits.greet("")
    desk.frame()
    assert desk.begun == [], "it is fresh already"
    for _ in range(8):
        desk.speaker.word()
    desk.frames(200)
    desk.visits.greet("")
    desk.frame()
    assert desk.begun == ["somebody has come"], "the one before went on without a word"
    assert desk.visits.counters.greetings == 2


def test_a_greeting_without_words_is_dropped() -> None:
    desk = Desk(greeting="")
    desk.visits.greet("")
    desk.frame()
    assert "the parameter greeting is empty" in desk.bus.lines[-1][1]


def test_people_arrive_when_nobody_was_there_for_a_while() -> None:
    presence = Presence(3.0)
    seen = [(0.0, False), (1.0, True), (2.0, True), (3.0, False), (4.0, True), (9.0, True),
            (10.0, False), (12.0, False), (13.5, True), (14.0, True)]  # fmt: skip
    assert [at for at, here in seen if presence.arrives(here, at)] == [1.0, 13.5]


@pytest.fixture
def speaking(monkeypatch: pytest.MonkeyPatch) -> Speaker:
    return let_speak(monkeypatch)


def greet(r: Robot, text: str = "") -> None:
    r.bus.callbacks["greet"](r.bus.message("std_msgs/msg/String")(data=text), "detector")


def test_every_visitor_has_a_conversation_and_a_recording_of_their_own(
    tmp_path: Path, speaking: Speaker
) -> None:
    with robot(record=str(tmp_path), engagement_end_s=1.0, long_silence_s=0.5, **FRESH) as r:
        for visitor in (1, 2):
            listen(r, caller(0.5, 3.6))
            listen(r, np.zeros(FRAME * 25, np.int16))
            assert kinds(r).count("engagement_ended") == visitor
            assert len(r.session.starts) == visitor
            assert not r.bus.topics["engaged"][-1].data
        assert {name for name, _ in r.session.starts} == {"receptionist"}
        told = r.bus.diagnostics()["conversation"].values
        assert told["conversations"] == "3"
        assert told["begun because"] == "the engagement has ended"
        listen(r, caller(0.5, 3.6))
        assert r.bus.topics["engaged"][-1].data, "it goes on listening"
    lengths = [read_folder(path).duration_s for path in Archive(tmp_path).recordings()]
    assert len(lengths) == 3 and lengths[:2] == pytest.approx([5.1, 5.0], abs=0.7)


def test_people_who_arrive_are_greeted_and_can_talk_then(speaking: Speaker) -> None:
    with robot(presence_topic="/humans/persons/tracked", presence_type="hri_msgs/msg/IdsList") as r:
        r.hear(2, level=0)
        seen = r.bus.message("hri_msgs/msg/IdsList")
        for ids in ([], ["a"], ["a", "b"]):
            r.bus.callbacks["/humans/persons/tracked"](seen(ids=ids), "detector")
        r.hear(2, level=0)
        assert speaking.saying is not None and " ".join(speaking.saying.words) == GREETING
        goal = sent(r, "a word from elsewhere")
        r.hear(6, level=0)
        assert goal.outcome == "succeeded"
        listen(r, caller(0.5, 3.0))
        greet(r, "Good morning.")
        listen(r, caller(3.0, 3.2))
        assert "somebody is talking with the robot" in r.bus.wait_for_log("was dropped")
        told = r.bus.diagnostics()["conversation"].values
        assert (told["greetings"], told["dropped greetings"]) == ("1", "1")
        assert r.bus.topics["user_speaking"][-1].data


def test_a_node_that_is_not_active_says_that_it_greets_nobody() -> None:
    with robot(activate=False) as r:
        greet(r)
        assert r.bus.wait_for_log("a greeting was dropped: the node is not active")


def test_a_model_that_cannot_say_the_greeting_says_so_before_somebody_comes() -> None:
    with robot(greeting=" ", presence_topic="people") as r:
        assert "nobody will be greeted: greeting is ' '" in r.bus.wait_for_log("greeted")
        r.bus.callbacks["people"](r.bus.message("std_msgs/msg/Bool")(data=True), "detector")
        r.hear(3)
        assert len(r.bus.topics["audio_out"]) >= 3


def test_a_greeting_that_cannot_be_said_is_refused(speaking: Speaker) -> None:
    with robot() as r:
        with pytest.raises(ParameterError, match="greeting is ' ', which cannot be said"):
            r.conversation.set_parameters({"greeting": " "})
        greet(r, "Good day.")
        r.hear(3, level=0)
        assert speaking.saying is not None and speaking.saying.words == ("Good", "day.")


@contextlib.contextmanager
def nano(**parameters: Any) -> Iterator[Robot]:
    """Run a conversation with the bundled model."""
    bus, engine = MemoryBus(), Engine.load("nano")
    values = {"late_audio_timeout_s": 2.0, "seed": 1, **parameters}
    conversation = Conversation(bus, Parameters.of(values), lambda _: engine)
    conversation.configure()
    conversation.activate()
    try:
        yield Robot(bus, engine, conversation)  # type: ignore[arg-type]
    finally:
        conversation.shutdown()


@pytest.mark.long
def test_nano_greets_answers_and_is_fresh_for_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quiet = np.random.default_rng(0).normal(0.0, 3.0, 24_000 * 8).astype(np.int16)
    with nano(record=str(tmp_path), engagement_end_s=4.0, **FRESH) as r:
        session = r.conversation._stage.configured.model.session
        spent, restart = [], session.restart

        def timed(*arguments: Any, **named: Any) -> None:
            begun = time.thread_time()
            restart(*arguments, **named)
            spent.append(time.thread_time() - begun)

        monkeypatch.setattr(session, "restart", timed)
        listen(r, quiet[: 24_000 * 2])
        spoken_before = len(r.bus.topics["audio_out"])
        greet(r)
        listen(r, quiet[: 24_000 * 5])
        sound = np.concatenate([m.data for m in r.bus.topics["audio_out"][spoken_before:]])
        others = ["You are welcome.", "We close at five.", "Please wait.", "Hello. Who is it?"]
        heard = Recogniser([GREETING, *others]).words(
            sound.astype(np.float32) / 32768, np.random.default_rng(1)
        )
        given = "hello and welcome how can i help you".split()
        same = difflib.SequenceMatcher(None, given, heard).get_matching_blocks()
        # The recogniser is none of today's: it must know the sentence, not each of its words.
        assert sum(block.size for block in same) >= 6, heard
        assert "robot_started" in kinds(r) and "user_started" not in kinds(r)
        assert r.bus.topics["transcript"][-1].text == GREETING

        listen(r, caller(0.9, 4.0))
        listen(r, quiet[: 24_000 * 6])
        assert "second floor" in r.bus.topics["transcript"][-1].text
        listen(r, quiet)
        assert "began a new conversation: the engagement has ended" in r.bus.wait_for_log("began a")
        listen(r, caller(0.9, 4.0))
        listen(r, quiet[: 24_000 * 6])
        assert "second floor" in r.bus.topics["transcript"][-1].text, "it is as it was"
    assert len(spent) >= 1 and max(spent) < 0.02, "beginning anew takes a quarter of a frame"
    first, second = (read_folder(path) for path in Archive(tmp_path).recordings())
    assert "welcome." in [word.text for word in first.words]
    assert "floor." in [word.text for word in second.words]
