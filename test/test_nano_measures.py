"""The measures of the evaluation: against others' values, and on robots that are known to err."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from personaplex_ros.estimate import bootstrap, mean, median, share
from personaplex_ros.persona import TAG
from personaplex_ros.training.evaluation.caller import Caller, Said
from personaplex_ros.training.evaluation.converse import Dialogue
from personaplex_ros.training.evaluation.fidelity import added_errors
from personaplex_ros.training.evaluation.judge import judge, judge_story
from personaplex_ros.training.evaluation.listening import error_rate, written
from personaplex_ros.training.evaluation.measures import (
    breaks_in,
    falls_silent,
    still_heard,
    takeover_latency,
    word_errors,
)
from personaplex_ros.training.evaluation.recogniser import Recogniser
from personaplex_ros.training.evaluation.scenarios import (
    plan_dialogue,
    plan_silence,
    plan_story,
)
from personaplex_ros.training.evaluation.sound import first_sound, sounding, spans
from personaplex_ros.training.evaluation.speaker import Speakers, say_all
from personaplex_ros.training.evaluation.table import Report, Row
from personaplex_ros.training.evaluation.turns import answers
from personaplex_ros.training.voices.speakers import AGENTS, HELD_OUT
from personaplex_ros.training.voices.speech import RATE, speak
from personaplex_ros.training.voices.speech_bank import at_level
from personaplex_ros.training.world import World, fill, load_world, plain

FRAME, FRAME_S = 1920, 0.08
NO_CODES = np.zeros((8, 0), np.int64)  # these measures do not look at them


def sound_at(*times: tuple[float, float], seconds: float = 6.0) -> NDArray[np.bool_]:
    """Return sound in these spans."""
    sound = np.zeros(round(seconds * 100), bool)
    for begin, end in times:
        sound[round(begin * 100) : round(end * 100)] = True
    return sound


@pytest.mark.parametrize(("right", "of"), [(0, 10), (7, 10), (10, 10), (183, 200), (1, 1)])
def test_a_shares_interval_is_wilsons(right: int, of: int) -> None:
    mine = share([True] * right + [False] * (of - right))
    theirs = stats.binomtest(right, of).proportion_ci(method="wilson")
    assert (mine.low, mine.high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)
    assert mine.value == right / of and mine.n == of


def test_the_bootstrap_of_a_mean_is_near_students_interval() -> None:
    values = np.random.default_rng(3).normal(2.0, 0.5, 400)
    mine = bootstrap(list(values), mean)
    theirs = stats.t.interval(0.95, 399, values.mean(), stats.sem(values))
    assert (mine.low, mine.high) == pytest.approx(theirs, abs=0.006)


def test_the_bootstrap_of_a_median_is_near_the_order_statistics_interval() -> None:
    values = np.sort(np.random.default_rng(4).exponential(1.0, 401))
    mine = bootstrap(list(values), median)
    low, high = (int(stats.binom.ppf(q, 401, 0.5)) for q in (0.025, 0.975))
    assert (mine.low, mine.high) == pytest.approx((values[low], values[high]), abs=0.05)


def test_nothing_observed_is_no_number_and_meets_no_goal() -> None:
    row = Row("x", "%", share([]), 0.9)
    assert math.isnan(row.estimate.value) and row.met is None and row.cells()[4] == "0"


def test_word_errors_of_a_hand_worked_example() -> None:
    said = "the toilets are down the hall on the left".split()
    heard = "the toilets down the long hall on the lifts".split()  # a word lost, added, changed
    assert word_errors(said, heard) == 3


@pytest.mark.parametrize(
    ("one", "other", "distance"),
    [
        ("kitten", "sitting", 3),
        ("saturday", "sunday", 3),
        ("intention", "execution", 5),
        ("", "abc", 3),
        ("abc", "", 3),
        ("same", "same", 0),
    ],
)
def test_word_errors_are_the_known_edit_distances(one: str, other: str, distance: int) -> None:
    assert word_errors(list(one), list(other)) == distance


def test_errors_above_the_synthesisers_are_weighted_by_words() -> None:
    assert added_errors(np.array([[8.0, 1, 0], [2.0, 0, 1], [10.0, 2, 1]])) == pytest.approx(1 / 20)


def test_sound_begins_above_minus_50_dbfs() -> None:
    tone = np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE).astype(np.float32) * np.sqrt(2)
    assert not sounding(tone * np.float32(10 ** (-50.5 / 20)), RATE).any()
    assert sounding(tone * np.float32(10 ** (-49.5 / 20)), RATE).all()


def test_the_first_sound_is_found_to_ten_milliseconds() -> None:
    samples = np.zeros(2 * RATE, np.float32)
    samples[round(1.234 * RATE) :] = 0.1
    sound = sounding(samples, RATE)
    assert first_sound(sound, 0.0, 2.0) == pytest.approx(1.23)
    assert first_sound(sound, 1.5, 2.0) == pytest.approx(1.5)
    assert first_sound(sound, 0.0, 1.2) is None


def test_gaps_within_speech_are_bridged_and_longer_ones_are_not() -> None:
    sound = sound_at((1.0, 1.5), (1.65, 2.0), (2.3, 3.0))
    assert np.allclose(spans(sound), [(1.0, 2.0), (2.3, 3.0)])
    assert spans(sound_at()) == []


def test_a_takeover_is_timed_from_the_callers_end() -> None:
    assert takeover_latency(sound_at((2.36, 4)), 2.0) == pytest.approx(0.36)


def test_a_robot_that_is_late_or_was_talking_before_has_not_taken_the_turn() -> None:
    assert takeover_latency(sound_at((5.2, 6)), 2.0) is None
    assert takeover_latency(sound_at((1.9, 4)), 2.0) is None
    assert takeover_latency(sound_at(), 2.0) is None


@pytest.mark.parametrize(
    ("begin", "broken"), [(1.5, False), (2.1, True), (2.59, True), (2.7, False)]
)
def test_only_sound_that_begins_in_a_pause_breaks_into_it(begin: float, broken: bool) -> None:
    assert breaks_in(sound_at((begin, 4.0)), (2.0, 2.5)) == broken


def test_an_interrupted_robot_must_be_silent_in_time_and_until_the_caller_has_ended() -> None:
    assert falls_silent(sound_at((1, 2.5), (4.4, 6)), 2.0, 4.0)
    assert not falls_silent(sound_at((1, 2.7)), 2.0, 4.0)
    assert not falls_silent(sound_at((1, 2.5), (3.5, 6)), 2.0, 4.0)


def test_a_robot_that_goes_on_is_heard_after_the_time_in_which_it_would_yield() -> None:
    assert still_heard(sound_at((1, 3)), 2.0)
    assert not still_heard(sound_at((1, 2.5)), 2.0)


@pytest.fixture(scope="module")
def world() -> World:
    return load_world()


@dataclass
class ScriptedRobot:
    """A robot that is told what the caller said, and does right but for what it is told to."""

    yields: bool = True
    stops_at_backchannels: bool = False
    breaks_into_pauses: bool = False
    knows_itself: bool = True

    def converse(self, world: World, seed: int) -> Dialogue:
        """Hold a dialogue; every answer is heard four frames after the caller's end."""
        plan = plan_dialogue(world, (seed,))
        caller = Caller(plan, np.random.default_rng(seed))
        track = np.zeros(80 * RATE, np.float32)
        words: list[tuple[float, str]] = []
        count = seen = 0
        while not caller.done:
            last = track[max(0, count - 1) * FRAME : count * FRAME]
            assert len(caller.frame(np.pad(last, (FRAME - len(last), 0)))) == FRAME
            count += 1
            for said in caller.said[seen:]:
                asked = said.utterance
                stops = self.stops_at_backchannels if asked.kind == "backchannel" else self.yields
                if asked.kind != "question" and stops:
                    cut_s = (int(said.start_s / FRAME_S) + 5) * FRAME_S
                    track[round(cut_s * RATE) :] = 0
                    words = [word for word in words if word[0] < cut_s]
                if asked.kind != "backchannel":
                    facts = plan.facts if self.knows_itself else world.random_facts(
                        np.random.default_rng(0)
                    )  # fmt: skip
                    text = fill(world.intents[asked.intent].answers[0], facts, "Nothing.")
                    at_s = (math.ceil(said.end_s / FRAME_S) + 4) * FRAME_S
                    words += self._say(track, text, plan.voice, at_s)
                    for begin_s, _ in said.pauses if self.breaks_into_pauses else ():
                        track[round((begin_s + 0.3) * RATE) :][: RATE // 10] = 0.1
                seen += 1
        robot = track[: count * FRAME]
        pieces = tuple(sorted(words))
        sound = sounding(robot, RATE)
        return Dialogue(seed, plan, "pt", tuple(caller.said), caller.unsaid, robot, NO_CODES, sound,
                        pieces)  # fmt: skip

    def _say(
        self, track: NDArray[np.float32], text: str, voice: str, at_s: float
    ) -> Iterator[tuple[float, str]]:
        speech = speak(text, AGENTS[voice])
        track[round(at_s * RATE) :][: len(speech.samples)] = at_level(speech.samples)
        return ((at_s + word.start_s, f" {word.text}") for word in speech.words)


def shares(world: World, robot: ScriptedRobot, dialogues: int = 5) -> dict[str, float]:
    """Return the mean of every measure over some dialogues."""
    verdicts = [v for seed in range(dialogues) for v in judge(robot.converse(world, seed), world)]
    names = {verdict.measure for verdict in verdicts}
    return {n: float(np.mean([v.value for v in verdicts if v.measure == n])) for n in names}


def test_a_robot_that_does_right_is_judged_so(world: World) -> None:
    found = shares(world, ScriptedRobot())
    right = ("answer", "persona", "takeover", "silenced", "new_answer", "goes_on")
    assert {name: found[name] for name in right} == dict.fromkeys(right, 1.0)
    assert found["pause"] == 0.0
    assert 0.32 <= found["latency"] <= 0.42 and 0.3 <= found["silenced_after"] <= 0.45


def test_what_a_robot_does_wrong_is_found_and_nothing_else(world: World) -> None:
    assert shares(world, ScriptedRobot(yields=False))["silenced"] == 0.0
    stopping = shares(world, ScriptedRobot(stops_at_backchannels=True))
    assert stopping["goes_on"] == 0.0 and stopping["silenced"] == 1.0
    breaking = shares(world, ScriptedRobot(breaks_into_pauses=True))
    assert breaking["pause"] == 1.0 and breaking["goes_on"] == 1.0
    lost = shares(world, ScriptedRobot(knows_itself=False))
    assert lost["persona"] < 0.5 < lost["answer"] < 1.0


def test_a_dialogue_has_everything_once_and_lasts_half_a_minute(world: World) -> None:
    dialogues = [ScriptedRobot().converse(world, seed) for seed in range(3)]
    for dialogue in dialogues:
        kinds = [said.utterance.kind for said in dialogue.said]
        assert sorted(kinds) == ["backchannel", "interruption", *["question"] * 5]
        assert dialogue.unsaid == 0 and 18 < dialogue.duration_s < 45
        assert dialogue.plan.caller in HELD_OUT and world.is_unseen(dialogue.plan.facts)
        starts = [said.start_s for said in dialogue.said]
        assert starts == sorted(starts)


def test_a_dialogue_may_be_of_other_exchanges(world: World) -> None:
    plan = plan_dialogue(world, (3,), ("interruption",) * 2)
    assert [said.kind for said in plan.utterances] == ["question", "interruption"] * 2


def test_callers_use_wordings_that_were_not_trained_on(world: World) -> None:
    for seed in range(3):
        for said in plan_dialogue(world, (seed,)).utterances:
            if said.kind != "backchannel":
                wordings = world.intents[said.intent].held_out
                assert any(plain(said.text).endswith(plain(wording)) for wording in wordings)


def test_an_answer_is_cut_out_with_its_text(world: World) -> None:
    dialogue = ScriptedRobot().converse(world, 1)
    found = answers(dialogue)
    assert len(found) == 3
    for answer in found:
        length = speak(answer.text, AGENTS[dialogue.plan.voice]).duration_s
        assert len(answer.samples) / RATE == pytest.approx(length + 0.2, abs=0.1)


@pytest.mark.parametrize(
    ("during", "after", "expected"),
    [
        (" Mhm. I see. Mhm.", " That sounds like a long day.", (1, 1, 1)),
        ("", " That sounds like a long day.", (0, 1, 1)),
        (" Okay. Please take the lift.", "", (1, 0, 0)),
        (" I see what you mean.", " Mhm.", (1, 0, 0)),
    ],
)
def test_listening_to_a_story_is_judged_by_what_is_said_meanwhile_and_afterwards(
    world: World, during: str, after: str, expected: tuple[int, int, int]
) -> None:
    plan = plan_story(world, (3,))
    story = Said(plan.utterances[0], 1.0)
    robot = np.zeros(round((story.end_s + 4) * RATE), np.float32)
    pieces = ((story.start_s + 3, during), (story.end_s + 0.5, after))
    sound = sounding(robot, RATE)
    dialogue = Dialogue(3, plan, "pt", (story,), 0, robot, NO_CODES, sound, pieces)
    values = {verdict.measure: verdict.value for verdict in judge_story(dialogue, world)}
    assert tuple(values.values()) == expected and set(values) == {
        "murmurs", "listens", "story_answer",
    }  # fmt: skip


def test_what_is_written_down_of_a_caller_is_compared_with_what_was_said(world: World) -> None:
    plan = plan_dialogue(world, (1, 1, 0))
    one, other = (Said(u, at_s) for u, at_s in zip(plan.utterances, (1.0, 20.0), strict=False))
    words = plain(one.utterance.text).split()
    right = [(one.start_s + 0.1 * k, word) for k, word in enumerate(words[:-1])]
    heard = (*right, (one.end_s + 0.24, words[-1]), (one.end_s + 3.0, "nobody"))
    robot = np.zeros(30 * RATE, np.float32)
    dialogue = Dialogue(3, plan, "pt", (one, other), 0, robot, NO_CODES, sounding(robot, RATE), (),
                        heard)  # fmt: skip
    first, second = written(dialogue)
    assert (first.misheard, first.written) == (0, " ".join(words))
    assert first.late_s == pytest.approx(0.24)
    assert second.misheard == second.words > 0 and second.late_s is None
    rate = error_rate(np.array([(o.words, o.misheard) for o in (first, second)]))
    assert rate == second.words / (first.words + second.words)


def test_a_story_is_silent_in_its_pauses_only(world: World) -> None:
    for seed in range(3):
        (story,) = plan_story(world, (seed,)).utterances
        said = speak(story.text, AGENTS["NATM0"]).duration_s
        assert len(story.pauses) == 4 and story.duration_s > 0.8 * said + 4 * 0.7
        clean = Said(story, 0.0)
        assert all(0.7 <= b - a <= 1.1 and b < clean.end_s for a, b in clean.pauses)


def test_a_caller_in_a_silence_says_nothing(world: World) -> None:
    plan = plan_silence(world, (1,), noisy=True)
    caller = Caller(plan, np.random.default_rng(0))
    frames = []
    while not caller.done:
        frames.append(caller.frame(np.zeros(FRAME, np.float32)))
    assert len(frames) == 750 and not caller.said
    assert np.array_equal(np.concatenate(frames), plan.noise)


def test_a_robot_that_says_nothing_is_asked_everything_all_the_same(world: World) -> None:
    caller = Caller(plan_dialogue(world, (2,)), np.random.default_rng(0))
    while not caller.done:
        caller.frame(np.zeros(FRAME, np.float32))
    assert len(caller.said) == 5 and caller.unsaid == 2


def test_a_robot_that_never_stops_is_asked_and_has_taken_no_turn(world: World) -> None:
    plan = plan_dialogue(world, (2,))
    caller, talk = Caller(plan, np.random.default_rng(0)), np.full(FRAME, 0.1, np.float32)
    while not caller.done:
        caller.frame(talk)
    sound = np.ones(6000, bool)
    asked = [said for said in caller.said if said.utterance.kind == "question"]
    assert len(asked) >= 3 and caller.unsaid + len(caller.said) == 7
    assert all(takeover_latency(sound, said.end_s) is None for said in asked)


def test_the_synthesisers_voices_are_told_apart(world: World) -> None:
    rng = np.random.default_rng(1)
    texts = [text for text in world.agent_texts(rng, 2) if TAG not in text and len(text) > 25]
    speakers = Speakers.learn(texts[::2], say_all)
    said = {voice: [say_all(texts[i : i + 6 : 2], voice) for i in (1, 7, 13)] for voice in AGENTS}
    assert all(speakers.nearest(one) == voice for voice, some in said.items() for one in some)


def test_the_recogniser_understands_the_synthesiser(world: World) -> None:
    rng = np.random.default_rng(1)
    texts = [text for text in world.agent_texts(rng, 5) if TAG not in text]
    recogniser = Recogniser(texts)
    for text in ("The lifts are straight ahead.", "Please leave the package on the desk."):
        samples = speak(text, AGENTS["NATM0"]).samples
        assert recogniser.words(samples, rng) == plain(text).split()
    with pytest.raises(ValueError, match="no speech"):
        recogniser.words(np.zeros(RATE, np.float32), rng)


def test_a_report_is_a_table_and_whole_json() -> None:
    rows = [
        Row("right answer", "%", share([True] * 19 + [False]), 0.92),
        Row("rest", "s", share([])),
    ]
    report = Report({"seed": 1}, rows, [{"number": 0}])
    assert "| right answer | >= 92.0 % | 95.0 %   | 76.4 to 99.1  | 20 | yes |" in report.table()
    content = json.loads(report.json())
    assert content["rows"][0]["met"] is True and content["rows"][1]["value"] is None
