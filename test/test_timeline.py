"""The timeline: what it accepts, where it puts things, and what the picture and the page hold."""

from __future__ import annotations

import base64
import io
import json
import random
import shutil
import subprocess
import time
from html.parser import HTMLParser
from itertools import combinations, pairwise
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
import soundfile
from matplotlib.colors import to_rgb

from personaplex_ros.files import write_whole
from personaplex_ros.timeline import (
    Mark,
    Recording,
    Word,
    draw_png,
    is_drawn,
    speaking_spans,
    style,
    words_from_pieces,
    write_html,
    write_timeline,
)
from personaplex_ros.timeline.envelope import envelope, full_scale_db
from personaplex_ros.timeline.layout import elide, place_labels, row_starts, stack_flags
from personaplex_ros.timeline.picture import draw_sheet
from personaplex_ros.timeline.sheet import DPI, LEFT, RIGHT, WIDTH

RATE = 24_000
ASKED = "on which floor is the meeting room"
SENTENCE = "Good morning! The meeting room is on the second floor, it's $5 (or $6)."


def tone(seconds: float, spans: list[tuple[float, float]], hertz: float = 200.0) -> np.ndarray:
    """Return float32 [n]: a tone of amplitude 0.5 within the spans, silence elsewhere."""
    t = np.arange(round(seconds * RATE)) / RATE
    inside = np.zeros(t.size, dtype=bool)
    for start, end in spans:
        inside |= (t >= start) & (t < end)
    return (0.5 * np.sin(2 * np.pi * hertz * t) * inside).astype(np.float32)


def conversation(seconds: float = 20.0, **changes: object) -> Recording:
    """Return a conversation with every kind of event, repeated each 10 s."""
    marks: list[Mark] = []
    words: list[Word] = []
    hold = []
    for base in range(0, int(seconds), 10):
        pieces = [(base + 3.0 + 0.32 * i, f" {word}") for i, word in enumerate(SENTENCE.split())]
        words += words_from_pieces(pieces)
        for kind, onset, late in (
            ("user_started", 1.0, 0.1),
            ("user_stopped", 2.0, 0.3),
            ("robot_started", 3.0, 0.1),
            ("user_started", 6.5, 0.1),
            ("interruption", 6.5, 0.6),
            ("robot_yielded", 7.0, 0.4),
            ("robot_stopped", 7.0, 0.4),
            ("user_stopped", 8.0, 0.3),
            ("backchannel", 9.0, 0.5),
        ):
            marks.append(Mark(kind, base + onset, base + onset + late))
        hold.append((base + 7.1, base + 9.5))
    values: dict[str, object] = {
        "sample_rate": RATE,
        "user": tone(seconds, [(1.0, 2.0), (6.5, 8.0)]),
        "agent": tone(seconds, [(3.0, 7.0)], 300.0),
        "words": tuple(words),
        "marks": tuple(marks),
        "title": "A conversation",
        "hold": tuple(hold),
        "heard": tuple(
            Word(text, base + at, base + at + 1.0)
            for base in range(0, int(seconds), 10)
            for at, text in ((1.0, ASKED), (6.5, "sorry wait"))
        ),
    }
    return Recording(**{**values, **changes})  # type: ignore[arg-type]


# ---- words and spans ----


@pytest.mark.parametrize(
    ("kind", "state", "revises", "drawn"),
    [
        ("interruption", "suspected", "", False),
        ("interruption", "confirmed", "", True),
        ("backchannel", "confirmed", "interruption", True),
        ("interruption_resolved", "confirmed", "interruption", False),
        ("user_started", "suspected", "", False),
        ("user_stopped", "confirmed", "user_started", False),
        ("user_stopped", "confirmed", "", True),
        ("overlap_started", "confirmed", "", False),
    ],
)
def test_what_is_sure_and_not_to_be_seen_anyway_is_drawn(kind, state, revises, drawn):
    assert is_drawn(kind, state, revises) is drawn


def test_words_are_the_text_between_spaces_however_it_was_cut_into_pieces():
    generator = random.Random(3)
    for _ in range(50):
        pieces, at = [], 0.0
        for word in SENTENCE.split():
            text = f" {word}"
            while text:
                cut = generator.randint(1, len(text))
                pieces.append((at, text[:cut]))
                text, at = text[cut:], at + 0.08
                if generator.random() < 0.5:
                    pieces.append((at, ""))  # a silent token
                    at += 0.08
        words = words_from_pieces(pieces)
        assert [word.text for word in words] == SENTENCE.split()
        begun = {start for start, piece in pieces if piece.startswith(" ")}
        assert {word.start_s for word in words} == begun


def test_word_ends_where_the_next_begins_unless_a_pause_lies_between():
    words = words_from_pieces([(1.0, " one"), (1.4, " two"), (4.0, " three")])
    assert [(w.start_s, w.end_s) for w in words] == [(1.0, 1.4), (1.4, None), (4.0, None)]


def test_lone_space_belongs_to_the_word_that_follows():
    assert words_from_pieces([(0.0, " "), (0.08, "$5"), (0.16, " "), (0.24, " now")]) == (
        Word("$5", 0.0, 0.24),
        Word("now", 0.24, None),
    )


def test_piece_after_a_pause_begins_a_word_of_its_own():
    words = words_from_pieces([(0.0, "un"), (0.08, "done"), (3.0, "again")])
    assert [word.text for word in words] == ["undone", "again"]


@pytest.mark.parametrize("pieces", [[], [(0.0, ""), (0.08, "")], [(0.0, " ")]])
def test_pieces_without_text_are_no_words(pieces: list[tuple[float, str]]):
    assert words_from_pieces(pieces) == ()


def test_pieces_that_go_back_in_time_are_refused():
    with pytest.raises(ValueError, match=r"' b' at 0\.5 s is earlier"):
        words_from_pieces([(1.0, " a"), (0.5, " b")])


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ("", []),
        ("+1 -2 +3 -4", [(1, 2), (3, 4)]),
        ("-2 +3 -4", [(0, 2), (3, 4)]),  # the recording began within speech
        ("+1 -2 +8", [(1, 2), (8, 10)]),  # and ended within speech
        ("+1 +2 -3 -4", [(1, 3)]),
        ("+1 -2 +2 -3", [(1, 2), (2, 3)]),
        ("+1 -1 +5 -6", [(5, 6)]),
        ("+3 -4 +1 -2", [(1, 2), (3, 4)]),  # in any order
    ],
)
def test_speech_lasts_from_start_to_stop(events, expected):
    marks = [
        Mark("user_started" if event[0] == "+" else "user_stopped", float(event[1:]), 10.0)
        for event in events.split()
    ]
    marks.append(Mark("robot_started", 0.5, 0.6))
    assert list(speaking_spans(marks, "user_started", "user_stopped", 10.0)) == expected


# ---- what cannot be shown ----


def test_side_that_is_one_frame_short_is_continued_with_silence():
    recording = conversation(user=tone(20.0, [(1.0, 2.0)])[:-1920])
    assert recording.user.size == recording.agent.size == 20 * RATE
    assert not recording.user[-1920:].any()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"user": tone(19.9, [])}, "user has 477600 samples and agent 480000"),
        ({"user": np.zeros((480_000, 2), np.float32)}, r"user has shape \[480000, 2\]"),
        ({"agent": np.zeros(480_000, np.int16)}, "agent has .* dtype int16"),
        ({"agent": np.full(480_000, np.nan, np.float32)}, "agent is not finite at sample 0"),
        ({"user": tone(0, []), "agent": tone(0, [])}, "the recording is empty"),
        ({"sample_rate": 0}, "sample_rate is 0"),
        ({"words": (Word("hi", -0.1, None),)}, "word 'hi' has the time -0.1 s"),
        ({"words": (Word("hi", 2.0, 1.0),)}, "word 'hi' ends at 1.0 s, before it starts at 2.0 s"),
        ({"marks": (Mark("backchannel", float("nan"), 1.0),)}, "mark 'backchannel' has the time"),
        ({"hold": ((1.0, float("inf")),)}, "hold has the time inf s"),
        ({"marks": (Mark("backchannel", 5e9, 6e9),)}, "check that all times are in seconds"),
    ],
)
def test_bad_input_is_named(changes, message):
    with pytest.raises(ValueError, match=message):
        conversation(**changes)


# ---- envelopes ----


def test_envelope_holds_the_true_extremes_and_the_whole_energy():
    samples = np.random.default_rng(0).standard_normal(10_007).astype(np.float32)
    bins = 97
    shape = envelope(samples, bins)
    edges = [k * samples.size // bins for k in range(bins + 1)]
    for k, (start, end) in enumerate(pairwise(edges)):
        part = samples[start:end]
        assert (shape.low[k], shape.high[k]) == (part.min(), part.max())
        assert shape.rms[k] == pytest.approx(np.sqrt(np.mean(part**2)), rel=1e-5)


def test_envelope_of_one_loud_sample_is_never_lost():
    for place in range(0, 1000, 37):
        samples = np.zeros(1000, np.float32)
        samples[place] = -0.9
        assert envelope(samples, 33).low.min() == np.float32(-0.9)


def test_envelope_with_more_bins_than_samples_repeats_them():
    shape = envelope(np.array([0.1, -0.2, 0.3], np.float32), 7)
    np.testing.assert_allclose(shape.high, [0.1, 0.1, 0.1, -0.2, -0.2, 0.3, 0.3], rtol=1e-6)
    np.testing.assert_array_equal(shape.low, shape.high)


@pytest.mark.parametrize(
    ("peak", "level"),
    [(1.0, 0), (1.7, 0), (0.5, -6), (0.51, -3), (0.1, -18), (1e-9, -36), (0, -36)],
)
def test_lane_is_as_high_as_the_peak_needs(peak, level):
    assert full_scale_db(np.zeros(4), np.array([0.0, -peak])) == level


# ---- layout ----


def test_labels_of_a_line_never_overlap_and_stay_on_the_sheet():
    generator = random.Random(1)
    dropped = 0
    for _ in range(300):
        anchors = sorted(generator.uniform(0, 10) for _ in range(generator.randint(0, 60)))
        widths = [generator.uniform(0.05, 1.5) for _ in anchors]
        placed = place_labels(anchors, widths, right=10.4, gap=0.05, levels=4)
        shown = [(p, w, a) for p, w, a in zip(placed, widths, anchors, strict=True) if p]
        dropped += len(anchors) - len(shown)
        for place, width, anchor in shown:
            assert 0 <= place.level < 4
            assert place.left + width <= 10.4 + 1e-9
            assert place.left == anchor or place.left + width == pytest.approx(10.4)
        for (a, width_a, _), (b, width_b, _) in combinations(shown, 2):
            if a.level == b.level:
                apart = a.left + width_a <= b.left or b.left + width_b <= a.left
                assert apart
    assert dropped > 0  # the limit was reached, or the loop has not tried it


def test_sparse_labels_all_stand_at_their_time_on_the_first_line():
    placed = place_labels([0.0, 1.0, 2.0], [0.5, 0.9, 0.5], right=9.0, gap=0.05, levels=4)
    assert [(p.left, p.level) for p in placed if p] == [(0.0, 0), (1.0, 0), (2.0, 0)]


def test_flags_never_cross_a_label_nor_cover_one():
    generator = random.Random(2)
    for _ in range(300):
        anchors = sorted(round(generator.uniform(0, 8), 1) for _ in range(generator.randint(0, 25)))
        widths = [generator.uniform(0.2, 1.2) for _ in anchors]
        levels = stack_flags(anchors, widths, gap=0.1)
        for i, j in combinations(range(len(anchors)), 2):
            if anchors[j] < anchors[i] + widths[i]:  # j stands within the label of i
                assert levels[i] > levels[j]


@pytest.mark.parametrize("extent", [0.08, 1.0, 5.0, 12.0, 12.01, 24.0, 24.5, 100.0, 240.0, 3600.0])
def test_rows_cover_the_recording_without_an_empty_one(extent):
    starts, span = row_starts(extent)
    assert span <= 12.0
    assert starts[0] == 0.0
    assert all(b - a == span for a, b in pairwise(starts))
    assert starts[-1] < extent <= starts[-1] + span + 1e-9


def test_elided_text_is_one_line_of_the_length_asked_for():
    assert elide("a\n b\tc", 10) == "a b c"
    assert elide("x" * 50, 10) == "x" * 9 + "…"


# ---- the picture ----


def crowded() -> Recording:
    """Return a robot that is never silent, with odd words and many events at once."""
    generator = random.Random(4)
    syllables = ["ing", "tion", "$", "$5", "münd", "_", "the", "<0xF0>"]
    pieces = [
        (k * 0.08, generator.choice(["", " ", " "]) + "".join(generator.choices(syllables, k=2)))
        for k in range(250)
    ]
    marks = [Mark("robot_started", 0.0, 0.1)]
    for onset in (5.0, 5.0, 5.0, 5.1, 5.4, 5.9, 11.9, 19.9, 20.0):
        for kind in ("interruption", "robot_yielded", "backchannel", "an unheard of kind of event"):
            marks.append(Mark(kind, onset, onset + 0.7))
    return conversation(
        agent=tone(20.0, [(0.0, 20.0)]),
        words=words_from_pieces(pieces),
        marks=tuple(marks),
        title="$x$ & " + "a very long title " * 20,
    )


@pytest.mark.parametrize(
    "recording",
    [
        conversation(),
        conversation(5.0, words=(), marks=(), hold=()),
        conversation(60.0),
        crowded(),
        conversation(0.08, words=(Word("hello", 0.0, None),), marks=(), hold=()),
    ],
    ids=["usual", "silent", "long", "crowded", "one frame"],
)
def test_no_two_texts_of_the_picture_overlap_or_leave_the_sheet(recording):
    sheet = draw_sheet(recording)
    renderer = sheet.canvas.get_renderer()
    boxes = [(t.get_text(), t.get_window_extent(renderer)) for t in sheet.axes.texts]
    width, height = sheet.canvas.get_width_height()
    for text, box in boxes:
        assert box.x0 >= 0 and box.x1 <= width and box.y0 >= 0 and box.y1 <= height, text
    for (text_a, a), (text_b, b) in combinations(boxes, 2):
        # Descenders and ascenders may touch the next line's; a pixel of width or two more may not.
        across = min(a.x1, b.x1) - max(a.x0, b.x0)
        down = min(a.y1, b.y1) - max(a.y0, b.y0)
        assert across <= 1 or down <= 3, f"{text_a!r} overlaps {text_b!r}"


def test_words_that_find_no_room_are_counted_not_lost():
    words = tuple(Word("instant", 1.0, None) for _ in range(20))
    sheet = draw_sheet(conversation(words=words, marks=()))
    texts = [text.get_text() for text in sheet.axes.texts]
    shown = texts.count("instant")
    assert shown >= 3
    assert f"+{20 - shown} words" in texts


def test_sound_is_drawn_where_it_was_heard(tmp_path):
    recording = conversation(
        10.0, user=tone(10.0, [(2.0, 3.0)]), agent=tone(10.0, [(6.0, 6.5)]), words=(), marks=()
    )
    draw_png(recording, tmp_path / "picture.png")
    image = matplotlib.image.imread(tmp_path / "picture.png")[..., :3]
    per_second = (WIDTH - LEFT - RIGHT) / 10.0 * DPI
    bands = {}
    for side, start, end in (("user", 2.0, 3.0), ("robot", 6.0, 6.5)):
        near = np.abs(image - np.array(to_rgb(style.SIDES[side]))).max(axis=2) < 0.04
        tall = near.sum(axis=0) > 20  # columns with a waveform, not just with its middle line
        tall[: int(LEFT * DPI)] = False
        columns = np.flatnonzero(tall)
        assert columns[0] == pytest.approx(LEFT * DPI + start * per_second, abs=3)
        assert columns[-1] == pytest.approx(LEFT * DPI + end * per_second, abs=3)
        bands[side] = np.flatnonzero(near[:, columns].sum(axis=1)).mean()
    assert bands["user"] < bands["robot"]  # the user is above


@pytest.mark.long
def test_four_minutes_are_drawn_in_seconds(tmp_path):
    recording = conversation(240.0)
    begin = time.process_time()
    picture, _ = write_timeline(recording, tmp_path / "long")
    assert time.process_time() - begin < 60.0  # about 9 s on one slow core
    height, width = matplotlib.image.imread(picture).shape[:2]
    assert width == 2700
    assert 4_000 < height < 32_000


# ---- the page ----


class PageReader(HTMLParser):
    """Collects what a test asks about: open elements, the title, scripts by type, references."""

    VOID = ("meta", "link", "img", "br", "hr", "input")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: dict[str, str] = {}
        self.references: list[str] = []
        self._place = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        """Note what the element refers to."""
        values = dict(attrs)
        self.references += [v for k, v in attrs if k in ("src", "href", "srcset", "data") and v]
        self._place = values.get("id") or tag
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        """Check that the element was the last one opened."""
        assert self.open.pop() == tag

    def handle_data(self, data):
        """Keep the text under its element's id or name."""
        self.texts[self._place] = self.texts.get(self._place, "") + data

    @property
    def recording(self) -> dict:
        """Return the data embedded in the page."""
        return json.loads(self.texts["recording"])


def read_page(recording: Recording, folder: Path) -> PageReader:
    write_html(recording, folder / "page.html")
    page = PageReader((folder / "page.html").read_text(encoding="utf-8"))
    assert page.open == []
    return page


def test_page_refers_to_nothing_outside_of_itself(tmp_path):
    page = read_page(conversation(), tmp_path)
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.references == []
    for token in ("http://", "https://", "@import", "url(", "fetch(", "import("):
        assert token not in text
    assert "default-src 'none'" in text


def test_page_shows_odd_text_as_text(tmp_path):
    nasty = "</script><b>&amp;\u2028 @@style@@ $1"
    recording = conversation(title=nasty, words=(Word(nasty, 1.0, 2.0),))
    page = read_page(recording, tmp_path)
    assert page.texts["title"].strip() == page.texts["h1"].strip() == nasty
    assert page.recording["words"] == [{"text": nasty, "start_s": 1.0, "end_s": 2.0}]


@pytest.mark.parametrize(
    ("rate", "kind"), [(24_000, "audio/ogg; codecs=opus"), (22_050, "audio/flac")]
)
def test_audio_of_the_page_is_the_conversation_user_left_agent_right(tmp_path, rate, kind):
    generator = np.random.default_rng(5)
    smooth = np.hanning(64) / np.hanning(64).sum()
    user, agent = (
        np.convolve(generator.standard_normal(6 * rate), smooth, "same").astype(np.float32)
        for _ in range(2)
    )
    recording = conversation(sample_rate=rate, user=user, agent=agent, words=(), marks=(), hold=())
    data = read_page(recording, tmp_path).recording
    assert data["audio_type"] == kind
    audio, decoded_rate = soundfile.read(io.BytesIO(base64.b64decode(data["audio"])))
    assert decoded_rate == rate
    assert audio.shape == (user.size, 2)
    left, right = audio.T
    # Sample against sample: a shift in time would show as well as an exchange of the sides.
    assert np.corrcoef(left, user)[0, 1] > 0.8
    assert np.corrcoef(right, agent)[0, 1] > 0.8
    assert abs(np.corrcoef(left, agent)[0, 1]) < 0.3


def test_page_carries_the_waveforms_words_events_and_holds(tmp_path):
    recording = conversation()
    data = read_page(recording, tmp_path).recording
    packed = np.frombuffer(base64.b64decode(data["user"]), np.int8)
    low, high, rms = packed.reshape(3, -1) / 127 * 10 ** (data["level_db"] / 20)
    assert low.size == 20 * 200
    assert high.max() == pytest.approx(0.5, abs=0.01)
    assert low.min() == pytest.approx(-0.5, abs=0.01)
    sounding = np.flatnonzero(rms > 0.2) / 200
    assert sounding[0] == pytest.approx(1.0, abs=0.02)
    assert sounding[-1] == pytest.approx(8.0, abs=0.02)
    assert [word["text"] for word in data["words"]] == SENTENCE.split() * 2
    assert [(said["text"], said["start_s"]) for said in data["heard"]] == [
        (ASKED, 1.0), ("sorry wait", 6.5), (ASKED, 11.0), ("sorry wait", 16.5),
    ]  # fmt: skip
    assert len(data["marks"]) == len(recording.marks)
    assert [tuple(span) for span in data["hold"]] == list(recording.hold)
    assert data["speaking"]["robot"] == [[3.0, 7.0], [13.0, 17.0]]


def test_page_runs_without_an_error_in_a_browser(tmp_path):
    names = ("chromium", "chromium-browser", "google-chrome")
    browser = next(filter(None, map(shutil.which, names)), None)
    if browser is None:
        pytest.skip("no Chromium or Chrome on this machine")
    write_html(crowded(), tmp_path / "page.html")
    flags = (
        "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run "
        "--disable-background-networking --enable-logging=stderr --virtual-time-budget=3000"
    ).split()
    ran = subprocess.run(
        [browser, *flags, f"--user-data-dir={tmp_path}/profile", "--dump-dom",
         (tmp_path / "page.html").as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert "CONSOLE" not in ran.stderr
    assert 'data-ready="yes"' in ran.stdout
    said = len(crowded().words) + len(crowded().heard)
    assert ran.stdout.count('class="word') == said
    assert "What was said" in ran.stdout and ASKED in ran.stdout
    assert ran.stdout.count('class="event') == len(crowded().marks)


# ---- files ----


@pytest.mark.parametrize("name", ["talk", "talk.png", "talk.html", "talk.HTML"])
def test_timeline_is_a_picture_and_a_page_side_by_side(tmp_path, name):
    written = write_timeline(conversation(5.0, words=(), marks=(), hold=()), tmp_path / name)
    assert written == (tmp_path / "talk.png", tmp_path / "talk.html")
    assert sorted(tmp_path.iterdir()) == sorted(written)  # and nothing temporary


def test_dots_of_a_name_are_kept(tmp_path):
    picture, _ = write_timeline(conversation(5.0, marks=(), hold=()), tmp_path / "seed.0")
    assert picture.name == "seed.0.png"


def test_failed_writing_leaves_the_old_file_and_no_rest(tmp_path):
    target = tmp_path / "picture.png"
    target.write_bytes(b"old")

    def fail(path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_whole(target, fail)
    assert [path.name for path in tmp_path.iterdir()] == ["picture.png"]
    assert target.read_bytes() == b"old"


def test_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere does not exist"):
        write_timeline(conversation(5.0, marks=(), hold=()), tmp_path / "nowhere" / "talk")
