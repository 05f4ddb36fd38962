"""A blank sheet in inches, and the measures used on it.

Everything is placed in inches on one axes without margins, so that text is measured in the unit it
is laid out in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Polygon, Rectangle

from . import style
from .recording import Span

WIDTH = 15.0
LEFT = 1.0
RIGHT = 0.95
DPI = 180  # pixels an inch


class Sheet:
    """A page in inches, y downwards from the top, with the few strokes the picture needs."""

    def __init__(self, height: float) -> None:
        self.figure = Figure(figsize=(WIDTH, height), dpi=DPI, facecolor=style.PAPER)
        self.canvas = FigureCanvasAgg(self.figure)
        self.axes: Axes = self.figure.add_axes((0, 0, 1, 1))
        self.axes.set(xlim=(0, WIDTH), ylim=(height, 0))
        self.axes.set_axis_off()

    def text(
        self,
        x: float,
        y: float,
        text: str,
        size: float = 7.5,
        colour: str = style.INK,
        align: str = "left",
        weight: str = "normal",
    ) -> None:
        """Write ``text`` with its middle at height ``y``; no character of it is markup."""
        self.axes.text(
            x,
            y + 0.35 * size / 72,  # half the height of a capital letter
            text,
            color=colour,
            ha=align,
            va="baseline",
            fontproperties=style.font(size, weight),
            parse_math=False,
        )

    def box(
        self, x: float, y: float, width: float, height: float, colour: str, alpha: float = 1.0
    ) -> None:
        """Fill a rectangle."""
        self.axes.add_patch(Rectangle((x, y), width, height, facecolor=colour, lw=0, alpha=alpha))

    def pill(self, x: float, y: float, width: float, height: float, colour: str) -> None:
        """Fill a rectangle with rounded corners."""
        radius = min(height, width) / 2
        rounding = f"round,pad=0,rounding_size={radius}"
        self.axes.add_patch(
            FancyBboxPatch((x, y), width, height, boxstyle=rounding, facecolor=colour, lw=0)
        )

    def line(self, xs: Sequence[float], ys: Sequence[float], colour: str, width: float) -> None:
        """Draw a line."""
        self.axes.plot(xs, ys, color=colour, lw=width, solid_capstyle="butt")

    def marker(self, x: float, y: float, mark: style.FlagStyle) -> None:
        """Draw the shape of a labelled mark."""
        self.axes.plot(
            [x],
            [y],
            marker=mark.marker,
            markersize=4.6 if mark.marker == "D" else 5.6,
            markerfacecolor=mark.colour if mark.filled else style.PAPER,
            markeredgecolor=mark.colour,
            markeredgewidth=1.2,
        )

    def edge(self, x: float, y: float, start: bool, colour: str) -> None:
        """Draw where speech starts (a triangle after ``x``) or stops (a square before it)."""
        size = 0.075
        if start:
            corners = [(x, y), (x, y + size), (x + size, y + size / 2)]
            self.axes.add_patch(Polygon(corners, facecolor=colour, lw=0))
        else:
            self.box(x - size, y, size, size, colour)


class Ruler:
    """Widths of text in inches, each measured once."""

    def __init__(self, canvas: FigureCanvasAgg) -> None:
        self._renderer = canvas.get_renderer()
        self._dpi = canvas.figure.dpi
        self._widths: dict[tuple[str, float], float] = {}

    def width(self, text: str, size: float) -> float:
        """Return the width of ``text`` at ``size`` points."""
        key = (text, size)
        if key not in self._widths:
            measured = self._renderer.get_text_width_height_descent(text, style.font(size), False)
            self._widths[key] = measured[0] / self._dpi
        return self._widths[key]


@dataclass(frozen=True)
class Scale:
    """Seconds to inches within one row."""

    start_s: float
    span_s: float

    @property
    def end_s(self) -> float:
        """Return the time at the row's right end."""
        return self.start_s + self.span_s

    def x(self, time_s: float) -> float:
        """Return the place of ``time_s``."""
        return LEFT + (time_s - self.start_s) / self.span_s * (WIDTH - LEFT - RIGHT)

    def clip(self, span: Span) -> Span | None:
        """Return the places of the part of ``span`` that falls on this row."""
        start, end = max(span[0], self.start_s), min(span[1], self.end_s)
        return (self.x(start), self.x(end)) if end > start else None
