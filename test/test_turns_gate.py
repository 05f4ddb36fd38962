"""The gate that turns windows of activity into stretches of speech."""

from __future__ import annotations

from dataclasses import replace

import pytest

from personaplex_ros.turns.detection.gate import (
    Change,
    Edge,
    GateParameters,
    Instant,
    SpeechGate,
    Window,
)

PARAMETERS = GateParameters(
    on=0.5, off=0.3, suspect_on=0.5, suspect_s=0.03, min_active_s=0.03, end_silence_s=0.05
)
QUICK = replace(PARAMETERS, suspect_s=0.01)
MS = 1_000_000


def edges(gate: SpeechGate, probabilities: list[float]) -> list[tuple[int, Edge]]:
    """Push windows of 10 ms; return the number of the window that decided, and the edge."""
    found = []
    for number, probability in enumerate(probabilities):
        begin, end = number * 10 * MS, (number + 1) * 10 * MS
        edge = gate.push(Window(Instant(begin, begin + 7), Instant(end, end + 7), probability))
        if edge is not None:
            found.append((number, edge))
    return found


def test_speech_begins_at_its_first_window_and_ends_at_its_last():
    row = [0.0] * 5 + [0.9] * 10 + [0.1] * 20
    (start, began), (stop, ended) = edges(SpeechGate(PARAMETERS), row)
    assert (start, began.change, began.at) == (7, Change.STARTED, Instant(50 * MS, 50 * MS + 7))
    assert (stop, ended.change, ended.at) == (19, Change.STOPPED, Instant(150 * MS, 150 * MS + 7))
    assert began.stretch is ended.stretch
    assert (began.confidence, ended.confidence) == pytest.approx((0.9, 0.9))


def test_a_probability_between_the_thresholds_keeps_the_state_it_finds():
    between = [0.4] * 30
    assert edges(SpeechGate(PARAMETERS), between) == []
    (found,) = edges(SpeechGate(PARAMETERS), [0.6, *between])
    assert found[1].change is Change.STARTED
    assert len(edges(SpeechGate(PARAMETERS), [0.6, 0.6, 0.6, 0.2, *between])) == 2


def test_activity_must_come_in_a_row_to_be_speech():
    assert edges(SpeechGate(PARAMETERS), [0.9, 0.9, 0.0] * 20) == []


def test_the_silence_that_ends_speech_must_come_in_a_row():
    row = [0.9] * 4 + [0.1, 0.1, 0.1, 0.1, 0.9] * 10
    gate = SpeechGate(PARAMETERS)
    assert len(edges(gate, row)) == 1
    assert gate.speaking and gate.stretch is not None
    assert gate.stretch.span_ns == len(row) * 10 * MS
    assert gate.stretch.active_ns == (4 + 10) * 10 * MS


def test_one_window_is_suspected_and_three_are_sure():
    found = edges(SpeechGate(QUICK), [0.0, 0.6, 0.9, 0.9, 0.9])
    assert [(at, edge.change) for at, edge in found] == [(1, Change.SUSPECTED), (3, Change.STARTED)]
    assert found[0][1].at == found[1][1].at == Instant(10 * MS, 10 * MS + 7)
    assert [edge.confidence for _, edge in found] == pytest.approx([0.6, 0.8])


def test_a_suspicion_is_dropped_at_the_first_silent_window():
    gate = SpeechGate(QUICK)
    found = edges(gate, [0.0, 0.9, 0.9, 0.1, 0.0, 0.9])
    assert [(at, edge.change) for at, edge in found] == [
        (1, Change.SUSPECTED),
        (3, Change.DROPPED),
        (5, Change.SUSPECTED),
    ]
    assert found[1][1].at == Instant(30 * MS, 30 * MS + 7)
    assert found[1][1].confidence == pytest.approx(0.9)
    assert gate.stretch is None and not gate.speaking


def test_what_may_be_speech_is_suspected_and_counts_when_it_turns_out_to_be():
    gate = SpeechGate(replace(QUICK, suspect_on=0.4))
    found = edges(gate, [0.3, 0.45, 0.45, 0.9, 0.9, 0.9])
    assert [(at, edge.change) for at, edge in found] == [(1, Change.SUSPECTED), (5, Change.STARTED)]
    assert found[1][1].at == Instant(10 * MS, 10 * MS + 7)
    assert found[0][1].stretch is found[1][1].stretch


def test_what_may_be_speech_does_not_stay_suspected():
    gate = SpeechGate(replace(QUICK, suspect_on=0.4))
    changes = [(at, edge.change) for at, edge in edges(gate, [0.45] * 8)]
    assert changes[:3] == [(0, Change.SUSPECTED), (5, Change.DROPPED), (6, Change.SUSPECTED)]


def test_the_end_of_the_conversation_ends_what_lasts():
    gate = SpeechGate(QUICK)
    edges(gate, [0.9])
    assert gate.end().change is Change.DROPPED
    edges(gate, [0.9] * 5)
    assert gate.end().change is Change.STOPPED
    assert gate.end() is None


@pytest.mark.parametrize(
    "changes",
    [
        {"on": 1.1},
        {"off": 0.6},
        {"off": 0.0},
        {"min_active_s": 0.0},
        {"suspect_s": 0.0},
        {"suspect_on": 0.6},
        {"suspect_on": 0.0},
    ],
)
def test_impossible_thresholds_are_refused(changes):
    with pytest.raises(ValueError, match="got"):
        replace(PARAMETERS, **changes)
