"""TurnBench's definitions on cases that were computed by hand."""

from __future__ import annotations

import math

import pytest
from turnbench_support import MHM, TAKES, TRIES, TURN, Track, entries

from personaplex_ros.benchmark.turnbench.agreement import Stretch, agree
from personaplex_ros.benchmark.turnbench.score import Score, score, total
from personaplex_ros.benchmark.turnbench.truth import Truth, Truths, build_truth

ENDS = Truth(events_s=(5.0, 6.0, 12.0), negatives=((8.0, 9.0), (14.0, 14.5)))


def truth_of(first: Track, second: Track) -> tuple[Truths, Truths]:
    return build_truth(([entries(first)], [entries(second)]))


def test_the_truth_itself_is_found_without_fault() -> None:
    assert score(ENDS, ENDS.events_s) == Score((0.0, 0.0, 0.0), 0, 0, 2)


@pytest.mark.parametrize(
    ("found", "latencies", "false_positives"),
    [
        ((4.75,), (-0.25,), 0),  # as early as it may be
        ((4.74,), (), 0),
        ((15.0,), (3.0,), 0),  # as late as it may be, of 12.0
        ((15.01,), (), 0),
        ((5.9,), (pytest.approx(0.9),), 0),  # of 5.0, though 6.0 would take it as well
        ((5.9, 6.1), (pytest.approx(0.9), pytest.approx(0.1)), 0),
        ((6.1,), (pytest.approx(0.1),), 0),  # of 6.0 alone: 5.0's window ends there
        ((6.1, 6.2), (pytest.approx(0.1),), 0),  # a burst is one hit, the rest is no fault
        ((9.0,), (3.0,), 0),  # within 6.0's window, so no fault although a pause ends there
        ((6.1, 8.5), (pytest.approx(0.1),), 0),  # the same for what no event needs
        ((14.2,), (pytest.approx(2.2),), 0),
        ((3.0, 10.0, 19.0), (), 0),  # outside of all that is judged
    ],
)
def test_hits_lie_in_their_window(
    found: tuple[float, ...], latencies: tuple[float, ...], false_positives: int
) -> None:
    scored = score(ENDS, found)
    assert (scored.latencies_s, scored.false_positives) == (latencies, false_positives)
    assert scored.missed == 3 - len(latencies)


def test_a_pause_is_at_most_one_false_positive_its_quarter_second_before_included() -> None:
    pauses = Truth(events_s=(20.0,), negatives=((8.0, 9.0), (14.0, 14.5), (16.0, 16.5)))
    scored = score(pauses, (7.75, 8.5, 9.0, 13.74, 14.51, 16.2, 20.5))
    assert (scored.false_positives, scored.true_negatives) == (2, 1)
    assert scored.fp_rate == pytest.approx(2 / 3)
    assert not scored.in_budget


def test_what_is_disputed_is_not_judged() -> None:
    disputed = Truth(events_s=(5.0,), negatives=((8.0, 9.0),), excluded=((5.0, 5.5), (8.0, 8.2)))
    assert score(disputed, (5.2, 8.1)) == Score((), 1, 0, 1)
    assert score(disputed, (5.2, 5.6, 8.1)).latencies_s == (pytest.approx(0.6),)


def test_scores_add_up_and_nothing_is_no_number() -> None:
    both = total((Score((0.1, 0.2), 1, 1, 9), Score((0.6,), 0, 0, 10), Score()))
    assert both == Score((0.1, 0.2, 0.6), 1, 1, 19)
    assert (both.recall, both.fp_rate, both.in_budget) == (0.75, 0.05, True)
    assert both.latency_s() == pytest.approx((0.12, 0.2, 0.52))
    assert math.isnan(Score().recall)
    assert math.isnan(Score().fp_rate)
    assert math.isnan(Score().latency_s()[0])


def test_a_turn_ends_where_the_floor_goes_and_pauses_where_it_is_resumed() -> None:
    first, second = truth_of(
        [(0, 2, TURN), (2.8, 4, TURN), (9, 10, TURN)],
        [(4.5, 8, TURN), (3, 3.4, MHM)],
    )
    assert first.eot == Truth((4.0, 10.0), ((2.0, 2.8),))
    assert second.eot == Truth((8.0,))
    assert second.interruption == Truth((), ((3.0, 3.4),))


def test_an_interruption_ends_the_others_turn_and_a_mere_attempt_is_not_judged() -> None:
    first, second = truth_of(
        [(0, 6, TURN), (10, 14, TURN), (15, 16, TURN)],
        [(5, 9, TAKES), (12, 12.5, TRIES)],
    )
    assert first.eot == Truth((6.0, 16.0), ((14.0, 15.0),))
    assert second.eot == Truth((9.0,))
    assert second.interruption == Truth((5.0,), (), ((12.0, 12.5),))


def test_a_pause_lasts_until_something_speaks_against_it() -> None:
    pausing = [(0, 2, TURN), (5, 6, TURN)]
    (murmured, _) = truth_of([*pausing, (3, 3.5, MHM)], [])
    assert murmured.eot.negatives == ((2.0, 3.0),)
    (tried, _) = truth_of(pausing, [(4, 4.5, TRIES)])
    assert tried.eot.negatives == ((2.0, 4.0),)
    (listened, _) = truth_of(pausing, [(3, 3.5, MHM)])
    assert listened.eot.negatives == ((2.0, 5.0),)


def test_stretches_that_touch_are_one_turn_and_an_end_within_ones_own_is_none() -> None:
    first, _ = truth_of([(0, 2, TURN), (2, 4, TURN)], [(5, 6, TURN)])
    assert first.eot == Truth((4.0,))
    within, _ = truth_of([(0, 6, TURN), (1, 3, TAKES)], [(7, 8, TURN)])
    assert within.eot.events_s == (6.0,)


def test_labels_that_the_benchmark_has_not_are_not_looked_at() -> None:
    first, _ = truth_of([(0, 2, TURN), (2.5, 3, "Sigh"), (4, 5, TURN)], [])
    assert first.eot == Truth((5.0,), ((2.0, 4.0),))


def test_two_of_three_annotators_decide_and_the_median_counts() -> None:
    agreed = agree(
        [
            [Stretch(1.0, 3.0, "turn"), Stretch(6.0, 7.0, "turn")],
            [Stretch(1.1, 3.1, "turn"), Stretch(6.0, 7.0, "backchannel")],
            [Stretch(1.15, 3.5, "turn"), Stretch(9.0, 9.5, "turn"), Stretch(9.4, 9.8, "noise")],
        ]
    )
    assert agreed.stretches == (Stretch(1.05, 3.05, "turn"),)
    # The third's own end lies too far off, but it overlaps what was agreed.
    assert agreed.disputed == ((6.0, 7.0), (9.0, 9.8))


def test_whether_it_is_a_turn_or_an_interruption_matters_to_interruptions_alone() -> None:
    took, turned = entries([(5, 8, TAKES)]), entries([(5, 8, TURN)])
    speaks = entries([(0, 5.5, TURN)])
    _, (second) = build_truth(([speaks] * 3, [took, turned, entries([(5, 8, MHM)])]))
    assert second.eot == Truth((8.0,))
    assert second.interruption == Truth((), (), ((5.0, 8.0),))
