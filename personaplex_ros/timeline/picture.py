"""The picture: rows of time with both waveforms, what was said and the turn events."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from personaplex_ros.files import write_whole

from . import layout, style
from .envelope import envelope, full_scale_db
from .recording import Mark, Recording, Span, Word
from .sheet import DPI, LEFT, RIGHT, WIDTH, Ruler, Scale, Sheet
from .summary import summary, title

GUTTER = LEFT - 0.14  # where the names of the lanes end
HEADER = 0.95
FOOTER = 0.2
WAVE = 0.66
STRIP = 0.14  # above each waveform, for the marks of start and stop
FLAG_LINE = 0.2
WORD_LINE = 0.165
HOLD_LANE = 0.2
AXIS = 0.26
ROW_GAP = 0.3
WORD_LINES = 6
FLAG_LINES = 5
LONGEST_WORD = 26
LONGEST_SAID = 90
LONGEST_LABEL = 16
DECISION = "until decided"
TALLEST_PX = 32_000  # Agg ends at 65 536; at this height the image still takes under 350 MB


@dataclass(frozen=True)
class Labels:
    """What a side said on a row, each with its place, if there is one for it."""

    placed: list[tuple[Word, layout.Placed | None]]
    longest: int  # characters of one; more are cut off

    @property
    def height(self) -> float:
        """Height in inches."""
        lines = 1 + max((place.level for _, place in self.placed if place), default=-1)
        return WORD_LINE * lines + (0.06 if lines else 0.0)


@dataclass(frozen=True)
class Row:
    """One row of time and all that it has to show; lines say how high its lanes must be."""

    start_s: float
    words: Labels
    heard: Labels
    edges: list[Mark]
    flags: list[tuple[Mark, int]]
    flag_lines: int
    hold: bool

    @property
    def height(self) -> float:
        """Height in inches, with the gap below."""
        said = self.words.height + self.heard.height
        lanes = FLAG_LINE * self.flag_lines + 2 * (STRIP + WAVE) + said
        return 0.06 + lanes + (HOLD_LANE if self.hold else 0.0) + AXIS + ROW_GAP


def draw_png(recording: Recording, path: str | Path) -> None:
    """Draw ``recording`` to the PNG file ``path``.

    Recordings wrap into rows of at most 12 s. The image is 2700 pixels wide, less where it would
    otherwise grow too tall. Words and labels for which there is no room are counted beside their
    row. Raises FileNotFoundError where the folder does not exist.
    """
    with warnings.catch_warnings():
        # A text token may hold any character; a box in its place is good enough.
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from")
        sheet = draw_sheet(recording)
        height = sheet.figure.get_size_inches()[1]
        resolution = min(float(DPI), TALLEST_PX / height)
        write_whole(path, lambda target: sheet.figure.savefig(target, format="png", dpi=resolution))


def draw_sheet(recording: Recording) -> Sheet:
    """Return the whole picture, not yet written to a file."""
    starts, span_s = layout.row_starts(recording.extent_s)
    ruler = Ruler(Sheet(1.0).canvas)
    rows = [_plan(recording, start, span_s, ruler) for start in starts]
    sheet = Sheet(HEADER + sum(row.height for row in rows) + FOOTER)
    _header(sheet, ruler, recording)
    speaking = {side: recording.speaking(side) for side in style.SIDES}
    level_db = full_scale_db(recording.user, recording.agent)
    y = HEADER
    for row in rows:
        _draw_row(sheet, recording, row, span_s, speaking, level_db, y)
        y += row.height
    return sheet


def _plan(recording: Recording, start_s: float, span_s: float, ruler: Ruler) -> Row:
    """Find out what falls on a row, and how many lines its words and flags need."""
    scale = Scale(start_s, span_s)

    def here(time_s: float) -> bool:
        last = scale.end_s >= recording.extent_s
        return start_s <= time_s and (time_s < scale.end_s or last)

    def place(said: tuple[Word, ...], longest: int) -> Labels:
        words = sorted((w for w in said if here(w.start_s)), key=lambda w: w.start_s)
        placed = layout.place_labels(
            [scale.x(word.start_s) for word in words],
            [ruler.width(layout.elide(word.text, longest), 7.5) for word in words],
            right=WIDTH - 0.2,
            gap=0.05,
            levels=WORD_LINES,
        )
        return Labels(list(zip(words, placed, strict=True)), longest)

    events = sorted((m for m in recording.marks if here(m.onset_s)), key=lambda m: m.onset_s)
    marks = [mark for mark in events if mark.kind not in style.EDGES]
    labels = [layout.elide(style.flag_style(mark.kind).label, LONGEST_LABEL) for mark in marks]
    levels = layout.stack_flags(
        [scale.x(mark.onset_s) for mark in marks],
        [0.09 + ruler.width(label, 7.5) for label in labels],
        gap=0.12,
    )
    return Row(
        start_s=start_s,
        words=place(recording.words, LONGEST_WORD),
        heard=place(recording.heard, LONGEST_SAID),
        edges=[mark for mark in events if mark.kind in style.EDGES],
        flags=list(zip(marks, levels, strict=True)),
        flag_lines=min(FLAG_LINES, 1 + max(levels, default=-1)),
        hold=any(scale.clip(span) for span in recording.hold),
    )


def _header(sheet: Sheet, ruler: Ruler, recording: Recording) -> None:
    sheet.text(LEFT, 0.36, layout.elide(title(recording), 90), size=14, weight="bold")
    sheet.text(LEFT, 0.62, summary(recording), size=8.5, colour=style.QUIET_INK)
    x, y = WIDTH - RIGHT, 0.62
    x -= ruler.width(DECISION, 8)
    sheet.text(x, y, DECISION, size=8, colour=style.QUIET_INK)
    sheet.line((x - 0.26, x - 0.07), (y, y), style.QUIET_INK, 0.8)
    x -= 0.46
    for mark in reversed(style.FLAGS.values()):
        x -= ruler.width(mark.label, 8)
        sheet.text(x, y, mark.label, size=8, colour=style.QUIET_INK)
        sheet.marker(x - 0.1, y, mark)
        x -= 0.34
    for text, start in (("stops", False), ("starts speaking", True)):
        x -= ruler.width(text, 8)
        sheet.text(x, y, text, size=8, colour=style.QUIET_INK)
        sheet.edge(x - (0.13 if start else 0.055), y - 0.0375, start, style.QUIET_INK)
        x -= 0.34


def _draw_row(
    sheet: Sheet,
    recording: Recording,
    row: Row,
    span_s: float,
    speaking: dict[str, tuple[Span, ...]],
    level_db: int,
    y: float,
) -> None:
    scale = Scale(row.start_s, span_s)
    sound = scale.clip((0.0, recording.duration_s))
    y += 0.06
    y = flags_end = y + FLAG_LINE * row.flag_lines
    for side, samples in (("user", recording.user), ("robot", recording.agent)):
        y += STRIP
        colour = style.SIDES[side]
        if sound:
            sheet.box(sound[0], y, sound[1] - sound[0], WAVE, style.LANE)
        for span in speaking[side]:
            if band := scale.clip(span):
                sheet.box(band[0], y, band[1] - band[0], WAVE, colour, alpha=0.13)
        if sound:
            _wave(sheet, samples, recording.sample_rate, scale, sound, y, colour, level_db)
        for mark in row.edges:
            if mark.kind.startswith(side):
                start = mark.kind.endswith("started")
                sheet.edge(scale.x(mark.onset_s), y - 0.095, start, colour)
        sheet.text(GUTTER, y + WAVE / 2, side.capitalize(), 9, colour, "right", "bold")
        if row.start_s == 0.0:
            _level(sheet, y, level_db)
        y += WAVE
        if side == "user":
            y = _words(sheet, row.heard, scale, y, colour)
    _flags(sheet, row, scale, flags_end, y)
    y = _words(sheet, row.words, scale, y, style.ROBOT)
    if row.hold:
        _hold(sheet, recording, row, scale, y)
        y += HOLD_LANE
    _axis(sheet, scale, min(recording.extent_s, scale.end_s), y)


def _wave(
    sheet: Sheet,
    samples: np.ndarray,
    rate: int,
    scale: Scale,
    sound: Span,
    top: float,
    colour: str,
    level_db: int,
) -> None:
    """Draw peaks lightly and the root mean square within them strongly."""
    middle, half = top + WAVE / 2, WAVE / 2
    first = round(scale.start_s * rate)
    part = samples[first : round(scale.end_s * rate)]
    bins = max(1, round((sound[1] - sound[0]) * DPI))
    shape = envelope(part, bins)
    gain = half / 10 ** (level_db / 20)
    xs = np.linspace(sound[0], sound[1], bins)
    low, high = (np.clip(v * gain, -half, half) for v in (shape.low, shape.high))
    rms = np.clip(shape.rms * gain, 0.0, half)
    sheet.line(sound, (middle, middle), colour, 0.4)
    sheet.axes.fill_between(xs, middle - low, middle - high, color=colour, alpha=0.45, lw=0)
    sheet.axes.fill_between(xs, middle - rms, middle + rms, color=colour, lw=0)


def _level(sheet: Sheet, top: float, level_db: int) -> None:
    """Say beside a lane which amplitude fills it."""
    x, bottom, tick = WIDTH - RIGHT + 0.12, top + WAVE, 0.05
    sheet.line((x - tick, x, x, x - tick), (top, top, bottom, bottom), style.QUIET_INK, 0.6)
    label = f"{level_db} dBFS".replace("-", "\N{MINUS SIGN}")
    sheet.text(x + 0.08, top + WAVE / 2, label, 7, style.QUIET_INK)


def _flags(sheet: Sheet, row: Row, scale: Scale, base: float, bottom: float) -> None:
    unlabelled = 0
    for mark, level in row.flags:
        look = style.flag_style(mark.kind)
        foot = base - FLAG_LINE * min(level, FLAG_LINES - 1)
        x, y = scale.x(mark.onset_s), foot - FLAG_LINE / 2
        sheet.line((x, x), (y, bottom), look.colour, 0.8)
        decided = min(scale.x(mark.decided_s), WIDTH - RIGHT)
        if decided > x:
            sheet.line((x, decided), (foot, foot), look.colour, 0.8)
        sheet.marker(x, y, look)
        if level < FLAG_LINES:
            label = layout.elide(look.label, LONGEST_LABEL)
            sheet.text(x + 0.09, y, label, 7.5, look.colour)
        else:
            unlabelled += 1
    if row.flags:
        text = f"Events, +{unlabelled}" if unlabelled else "Events"
        sheet.text(GUTTER, base - FLAG_LINE / 2, text, 8, style.QUIET_INK, "right")


def _words(sheet: Sheet, labels: Labels, scale: Scale, y: float, colour: str) -> float:
    left_out = 0
    for word, place in labels.placed:
        if place is None:
            left_out += 1
            continue
        x = scale.x(word.start_s)
        sheet.line((x, x), (y, y + 0.045), colour, 0.8)
        middle = y + WORD_LINE * (place.level + 0.5) + 0.045
        sheet.text(place.left, middle, layout.elide(word.text, labels.longest), 7.5)
    if left_out:
        sheet.text(
            GUTTER, y + 0.045 + WORD_LINE / 2, f"+{left_out} words", 8, style.QUIET_INK, "right"
        )
    return y + labels.height


def _hold(sheet: Sheet, recording: Recording, row: Row, scale: Scale, y: float) -> None:
    sheet.text(GUTTER, y + HOLD_LANE / 2, "Motion hold", 8, style.QUIET_INK, "right")
    for span in recording.hold:
        if band := scale.clip(span):
            sheet.pill(band[0], y + HOLD_LANE / 2 - 0.04, band[1] - band[0], 0.08, style.HOLD)


def _axis(sheet: Sheet, scale: Scale, end_s: float, y: float) -> None:
    y += 0.05
    sheet.line((scale.x(scale.start_s), scale.x(end_s)), (y, y), style.QUIET_INK, 0.6)
    step = layout.tick_step(scale.span_s)
    for index in range(int((end_s - scale.start_s) / step + 1e-6) + 1):
        time_s = scale.start_s + index * step
        x = scale.x(time_s)
        sheet.line((x, x), (y, y + 0.04), style.QUIET_INK, 0.6)
        label = f"{time_s:g} s" if index == 0 else f"{time_s:g}"
        sheet.text(x, y + 0.12, label, 7, style.QUIET_INK, "center")
