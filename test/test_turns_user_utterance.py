"""The person's words become utterances, partial and final."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from personaplex_ros.turns import TurnEvent, UserUtterance, UserUtteranceAssembler

FRAME_NS = 80_000_000


def heard(start: int, end: int, text: str, final: bool) -> UserUtterance:
    """Return an utterance from frame to frame."""
    return UserUtterance(start * FRAME_NS, end * FRAME_NS, text, final)


def assemble(
    words: Mapping[int, str], spoken: Iterable[int], frames: int
) -> list[tuple[int, UserUtterance]]:
    """Push frames of 80 ms, each begin of speech known two frames later; return what came when."""
    assembler, found, spoken = UserUtteranceAssembler(), [], set(spoken)
    for k in range(frames):
        began = k in spoken and k - 1 not in spoken
        events = [TurnEvent("user_started", (k - 2) * FRAME_NS, k * FRAME_NS, 1.0)] * began
        told = assembler.push(
            k * FRAME_NS, (k + 1) * FRAME_NS, words.get(k, ""), k in spoken, events
        )
        if told is not None:
            found.append((k, told))
    rest = assembler.flush()
    return [*found, (frames, rest)] if rest is not None else found


def test_every_word_is_told_at_once_and_all_of_them_when_they_are_over() -> None:
    found = assemble({8: "which", 12: "floor"}, range(5, 15), 40)
    assert found == [
        (8, heard(3, 9, "which", False)),
        (12, heard(3, 13, "which floor", False)),
        (17, heard(3, 13, "which floor", True)),  # 0.4 s after the last word
    ]


def test_who_goes_on_speaking_has_not_finished() -> None:
    found = assemble({8: "which"}, range(5, 30), 40)
    assert [(k, told.final) for k, told in found] == [(8, False), (30, True)]


def test_the_next_one_begins_where_the_person_begins_again() -> None:
    found = assemble({8: "hello", 21: "goodbye"}, [*range(5, 10), *range(18, 24)], 40)
    assert [told for _, told in found if told.final] == [
        heard(3, 9, "hello", True),
        heard(16, 22, "goodbye", True),
    ]


def test_words_that_nobody_speaks_make_nothing() -> None:
    assert assemble({k: "lift" for k in range(3, 40, 3)}, (), 60) == []


def test_words_come_with_the_speech_that_is_known_later_but_not_with_any_later() -> None:
    words = {k: f"w{k}" for k in (2, 4, 20, 23, 25)}
    found = assemble(words, range(27, 30), 60)
    assert found[0] == (27, heard(24, 26, "w23 w25", False))
    assert found[-1][1] == heard(24, 26, "w23 w25", True)


def test_one_without_end_is_cut_and_goes_on() -> None:
    found = assemble({k: "la" for k in range(500)}, range(500), 510)
    finals = [told for _, told in found if told.final]
    assert [len(told.text.split()) for told in finals] == [200, 200, 100]
    assert finals[1].start_ns >= finals[0].end_ns


def test_what_is_open_ends_when_the_clock_is_set_back_or_the_conversation_ends() -> None:
    assembler = UserUtteranceAssembler()
    assembler.push(10**12, 10**12 + FRAME_NS, "old", True, [])
    told = assembler.push(0, FRAME_NS, "", True, [])
    assert told == UserUtterance(10**12 + FRAME_NS, 10**12 + FRAME_NS, "old", True)
    assembler.push(FRAME_NS, 2 * FRAME_NS, "new", True, [])
    assert assembler.flush() == heard(2, 2, "new", True)
    assert assembler.flush() is None
