"""Full-Duplex-Bench's measures, on examples worked by hand and against scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon

from personaplex_ros.benchmark.backchannel import (
    frequency,
    histogram,
    jensen_shannon,
    kind,
    listening,
    timing_divergence,
)
from personaplex_ros.benchmark.overlap import joined, responses, stops
from personaplex_ros.benchmark.quirks import Quirks
from personaplex_ros.benchmark.takeover import answer_to, latency, takes_over
from personaplex_ros.benchmark.words import HeardWord

PLAIN = Quirks()


def words(*starts_s: float, length_s: float = 0.2) -> list[HeardWord]:
    return [HeardWord("word", start_s, start_s + length_s) for start_s in starts_s]


def test_silence_is_no_takeover() -> None:
    assert not takes_over([])


def test_up_to_three_words_within_a_second_are_no_takeover() -> None:
    assert not takes_over(words(5.0, 5.3, 5.7))  # 0.9 s from the first start to the last end


def test_four_words_within_a_second_take_over() -> None:
    assert takes_over(words(5.0, 5.2, 5.4, 5.6))


def test_a_second_of_speech_takes_over_however_few_the_words() -> None:
    assert takes_over([HeardWord("well", 2.0, 3.0)])
    assert not takes_over([HeardWord("well", 2.0, 2.99)])


def test_latency_runs_from_the_end_of_the_turn_to_the_first_word() -> None:
    assert latency(words(3.5, 3.9), end_s=3.2) == pytest.approx(0.3)


def test_an_answer_that_begins_early_has_no_latency() -> None:
    assert latency(words(2.5, 3.9), end_s=3.2) == 0.0


def test_what_was_said_before_an_interruption_ended_is_no_answer_to_it() -> None:
    heard = [*words(1.0, 1.5), HeardWord("still", 3.1, 3.4), *words(4.0)]
    answer = answer_to(heard, 3.2)
    assert [(word.start_s, word.end_s) for word in answer] == [(3.2, 3.4), (4.0, 4.2)]


@pytest.mark.parametrize(
    ("segment", "said", "expected"),
    [
        ((2.0, 5.1), words(2.5), "takeover"),
        ((2.0, 5.0), words(2.5), "other"),  # 3 s are not more than 3 s
        ((2.0, 2.9), words(2.1, 2.5), "backchannel"),
        ((2.0, 2.9), words(2.0, 2.3, 2.6), "other"),  # three words
        ((2.0, 3.0), words(2.1), "other"),  # a second is not less than one
        ((2.0, 2.9), words(0.5, 1.0, 1.8, 2.9, 3.5), "backchannel"),  # only 2.9 touches it
    ],
)
def test_a_segment_is_what_its_length_and_words_say(
    segment: tuple[float, float], said: list[HeardWord], expected: str
) -> None:
    assert kind(segment, said, PLAIN) == expected


def test_any_takeover_counts_and_backchannels_beside_it_are_kept() -> None:
    segments = [(1.0, 1.5), (4.0, 8.0), (9.0, 9.5)]
    assert listening(segments, [], PLAIN) == (True, [(1.0, 1.5), (9.0, 9.5)])


def test_published_scripts_take_what_is_between_the_two_for_a_takeover() -> None:
    quirks = Quirks(middle_takes_over=True)
    assert listening([(1.0, 2.5)], [], PLAIN) == (False, [])
    assert listening([(1.0, 2.5)], [], quirks) == (True, [])


def test_published_scripts_let_the_last_segment_decide() -> None:
    quirks = Quirks(middle_takes_over=True, last_segment=True)
    # The backchannel at the end hides the takeover, and the takeover the backchannel before it.
    assert listening([(1.0, 1.5), (3.0, 5.0), (6.0, 6.5)], [], quirks) == (False, [(6.0, 6.5)])
    # More than 3 s end the search.
    assert listening([(1.0, 1.5), (3.0, 6.5), (7.0, 7.5)], [], quirks) == (True, [(1.0, 1.5)])


def test_frequency_is_backchannels_a_second() -> None:
    assert frequency([(1.0, 1.5), (4.0, 4.5), (9.0, 9.5)], 30.0) == pytest.approx(0.1)


def test_a_backchannel_falls_into_every_bin_that_it_touches() -> None:
    counts = histogram([(0.5, 0.9), (0.8, 0.85)], 2.0)
    assert counts.tolist() == [0, 0, 1, 1, 2, 0, 0, 0, 0, 0, 0]


def test_a_bin_begins_at_a_multiple_of_its_width() -> None:
    assert histogram([(0.6, 0.7)], 1.0).tolist() == [0, 0, 0, 1, 0, 0]  # 0.6 / 0.2 < 3 in floats


def test_a_backchannel_at_the_very_end_is_not_lost() -> None:
    assert histogram([(1.0, 1.3)], 0.99).tolist() == [0, 0, 0, 0, 1]


def test_divergence_equals_that_of_scipy() -> None:
    rng = np.random.default_rng(3)
    for _ in range(20):
        p, q = rng.random(30) * (rng.random(30) < 0.4), rng.random(30)
        assert jensen_shannon(p, q) == pytest.approx(jensenshannon(p, q, base=2) ** 2, abs=1e-9)


def test_divergence_is_0_of_the_same_and_1_of_disjoint_distributions() -> None:
    assert jensen_shannon(np.array([1.0, 3.0, 0.0]), np.array([2.0, 6.0, 0.0])) == 0.0
    assert jensen_shannon(np.array([1.0, 0.0]), np.array([0.0, 5.0])) == 1.0


def test_no_backchannel_is_as_far_from_people_as_can_be() -> None:
    for quirks in (PLAIN, Quirks(jsd_distance=True)):
        assert timing_divergence([], 10.0, [1.0, 0.0], quirks) == 1.0


def test_peoples_timing_is_stretched_to_the_recording() -> None:
    # Bins of a 0.5 s recording: 3. People's [0, 1] becomes [0, 1/2, 1], and ours is [0, 0, 1].
    ours, people = np.array([0.0, 0.0, 1.0]), np.array([0.0, 1.0, 2.0])
    found = timing_divergence([(0.4, 0.45)], 0.5, [0.0, 1.0], PLAIN)
    assert found == pytest.approx(jensenshannon(ours, people, base=2) ** 2)


def test_timing_of_another_recording_is_told() -> None:
    human = [0.0] * 100
    human[50] = 1.0
    with pytest.raises(ValueError, match="has 100 bins and vanishes in the 6"):
        timing_divergence([(0.4, 0.45)], 1.0, human, PLAIN)


def test_the_published_divergence_is_its_root_in_nats() -> None:
    ours, people = histogram([(0.4, 1.1)], 4.0), np.linspace(1, 3, 21)
    found = timing_divergence([(0.4, 1.1)], 4.0, list(people), Quirks(jsd_distance=True))
    assert found == pytest.approx(jensenshannon(ours, people))


def test_short_silences_belong_to_the_speech_around_them() -> None:
    assert joined([(0.0, 1.0), (1.5, 2.0), (2.6, 3.0)], 0.5) == [(0.0, 2.0), (2.6, 3.0)]


def test_a_stop_lasts_while_both_speak() -> None:
    user, model = [(1.0, 3.0), (5.0, 6.0), (8.0, 9.0)], [(2.0, 5.4), (8.2, 8.5)]
    assert stops(user, model) == [(2.0, 3.0), (5.0, 5.4), (8.2, 8.5)]


def test_a_response_begins_after_the_users_last_word() -> None:
    user, model = [(1.0, 2.0), (3.0, 4.0), (9.0, 9.5)], [(4.7, 6.0), (7.0, 8.0)]
    assert responses(user, model) == [(4.0, 4.7)]


def test_quirks_have_names() -> None:
    assert Quirks.named(["jsd_distance"]).names() == ["jsd_distance"]
    assert set(Quirks.named(["published"]).names()) > {"last_segment", "middle_takes_over"}
    with pytest.raises(ValueError, match=r"no quirk jsd_distanz; there are .*jsd_distance"):
        Quirks.named(["jsd_distanz"])
