"""The robot's pieces of text become utterances."""

from __future__ import annotations

import pytest

from personaplex_ros.turns import TurnEvent, Utterance, UtteranceAssembler, UtteranceParameters

FRAME_NS = 80_000_000


def assemble(
    pieces: dict[int, str], sounding: set[int], yields: dict[int, int], frames: int, **limits
):
    """Push frames of 80 ms; return (frame, utterance) for each that ended, and the flushed one."""
    assembler = UtteranceAssembler(UtteranceParameters(**limits))
    found = []
    for k in range(frames):
        events = [TurnEvent("robot_yielded", yields[k], k * FRAME_NS, 1.0)] if k in yields else []
        begin = k * FRAME_NS
        utterance = assembler.push(
            begin, begin + FRAME_NS, pieces.get(k, ""), k in sounding, events
        )
        if utterance is not None:
            found.append((k, utterance))
    return found, assembler.flush()


def test_words_between_two_silences_are_one_utterance():
    pieces = {5: " Hel", 6: "lo", 10: " there", 40: " Bye"}
    found, rest = assemble(pieces, set(range(6, 16)), {}, 45)
    # The silence counts from frame 15's end; 0.8 s are ten frames.
    assert found == [(26, Utterance(5 * FRAME_NS, 16 * FRAME_NS, "Hello there", False))]
    assert rest == Utterance(40 * FRAME_NS, 41 * FRAME_NS, "Bye", False)


def test_sound_before_the_first_word_belongs_to_it():
    found, _ = assemble({9: " Well"}, set(range(5, 12)), {}, 30)
    assert found[0][1] == Utterance(5 * FRAME_NS, 12 * FRAME_NS, "Well", False)


def test_sound_without_words_is_no_utterance():
    found, rest = assemble({}, set(range(5, 12)) | set(range(40, 50)), {}, 50)
    assert (found, rest) == ([], None)


def test_pauses_shorter_than_the_gap_do_not_part_words():
    found, rest = assemble({5: " a", 15: " b", 25: " c"}, set(), {}, 30)
    assert found == []
    assert rest is not None and rest.text == "a b c"


def test_yielding_ends_it_where_the_sound_ended():
    end_ns = 8 * FRAME_NS + 123
    found, rest = assemble({5: " I", 6: " was", 20: " Yes"}, set(range(5, 9)), {13: end_ns}, 21)
    assert found == [(13, Utterance(5 * FRAME_NS, end_ns, "I was", True))]
    assert rest is not None and (rest.text, rest.interrupted) == ("Yes", False)


def test_endless_talk_is_cut_and_nothing_is_lost():
    pieces = {k: f" w{k}" for k in range(1_000)}
    found, rest = assemble(pieces, set(range(1_000)), {}, 1_000, max_utterance_s=8.0)
    assert len(found) == 9
    assert all(u.end_ns - u.start_ns <= 8_000_000_000 for _, u in found)
    words = " ".join([*(u.text for _, u in found), rest.text]).split()
    assert words == [f"w{k}" for k in range(1_000)]


def test_a_clock_set_back_ends_it():
    assembler = UtteranceAssembler()
    assembler.push(10**12, 10**12 + FRAME_NS, " old", True, [])
    ended = assembler.push(0, FRAME_NS, " new", True, [])
    assert ended == Utterance(10**12, 10**12 + FRAME_NS, "old", False)
    assert assembler.flush() == Utterance(0, FRAME_NS, "new", False)
    assert assembler.flush() is None


def test_impossible_times_are_refused():
    with pytest.raises(ValueError, match="utterance_gap_s"):
        UtteranceParameters(utterance_gap_s=0.0)
