"""The examination of ends in conversations: what counts as told in time and as wrong."""

from __future__ import annotations

import numpy as np
import pytest
from benchmark_support import load_benchmark

from personaplex_ros.training.world import load_world

ends = load_benchmark("conversation_ends")


def test_an_end_counts_until_3_s_after_it_and_in_a_pause_it_is_wrong() -> None:
    truth = ends.Truth([5.0, 20.0], [(2.0, 2.6), (3.0, 3.5)])
    told = truth.told([2.5, 5.4, 22.9])
    assert told.late_s == pytest.approx((0.4, 2.9)) and told.wrong == (True, False)
    told = truth.told([4.95, 23.1, 3.55])
    assert told.late_s == pytest.approx((-0.05, 3.0)) and told.wrong == (False, False)
    assert truth.told([]).late_s == (3.0, 3.0)


def test_a_detector_s_figures_are_those_of_all_conversations() -> None:
    point = ends.scored("x", [ends.Told((0.4, 3.0), (True,)), ends.Told((0.6, 0.8), (False,))])
    assert (point.ends, point.pauses) == (4, 2)
    assert point.recall == 0.75 and point.false_positives == 0.5
    assert point.mean_s == pytest.approx(1.2) and point.p50_s == pytest.approx(0.7)


def test_of_silero_s_waits_the_soonest_within_a_budget_is_shown() -> None:
    points = [
        ends.Point("user_finished", 9, 9, 1.0, 0.5, 0.4, 0.4, 0.4),
        ends.Point("Silero, 0.50 s", 9, 9, 1.0, 0.15, 0.6, 0.6, 0.6),
        ends.Point("Silero, 0.90 s", 9, 9, 1.0, 0.05, 1.0, 1.0, 1.0),
        ends.Point("Silero, 1.20 s", 9, 9, 1.0, 0.0, 1.3, 1.3, 1.3),
    ]
    lines = ends.table(points).splitlines()[2:]
    shown = [line.split("|")[1].strip() for line in lines]
    assert shown == [
        "user_finished",
        "Silero, 0.50 s, at most 0.2",
        "Silero, 0.90 s, at most 0.1",
        "Silero, 0.90 s, at most 0.05",
    ]


def test_half_of_what_callers_ask_is_hesitated_within_it_and_stories_pause() -> None:
    jobs = list(ends.plans(load_world(), [], 6, 0))
    assert [job.plan.utterances[0].intent == "story" for job in jobs] == [True, False, False] * 2
    asked = [one for job in jobs for one in job.plan.utterances]
    questions = [one for one in asked if one.intent != "story"]
    assert 4 <= sum(bool(one.pauses) for one in questions) <= 20
    for one in asked:
        for start_s, end_s in one.pauses:
            assert 0.0 < start_s < end_s - 0.19 and end_s < one.duration_s
    assert all(len(one.pauses) == ends.STORY_PARTS + 1 for one in asked if one.intent == "story")
    assert all(np.abs(one.samples).max() > 0.01 for one in asked)
