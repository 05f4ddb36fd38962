"""The gate that turns windows of activity into stretches of speech."""

from __future__ import annotations

import pytest

from personaplex_ros.turns.gate import Edge, GateParameters, Instant, SpeechGate, Window

PARAMETERS = GateParameters(on=0.5, off=0.3, min_active_s=0.03, end_silence_s=0.05)
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
    assert (start, began.started, began.at) == (7, True, Instant(50 * MS, 50 * MS + 7))
    assert (stop, ended.started, ended.at) == (19, False, Instant(150 * MS, 150 * MS + 7))
    assert (began.confidence, ended.confidence) == pytest.approx((0.9, 0.9))


def test_a_probability_between_the_thresholds_keeps_the_state_it_finds():
    between = [0.4] * 30
    assert edges(SpeechGate(PARAMETERS), between) == []
    assert [edge.started for _, edge in edges(SpeechGate(PARAMETERS), [0.6, *between])] == [True]
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


@pytest.mark.parametrize(
    "changes", [{"on": 1.1}, {"off": 0.6}, {"off": 0.0}, {"min_active_s": 0.0}]
)
def test_impossible_thresholds_are_refused(changes):
    with pytest.raises(ValueError, match="got"):
        GateParameters(
            **{"on": 0.5, "off": 0.3, "min_active_s": 0.1, "end_silence_s": 0.1, **changes}
        )
