"""How things look in the picture: colours, marks, type.

A colour says who acted, a shape says what happened; nothing is told by colour alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from matplotlib import font_manager

PAPER = "#ffffff"
LANE = "#f5f6f8"
INK = "#1c2530"
QUIET_INK = "#697586"
USER = "#2563a8"  # blue and orange stay apart in every common colour blindness
ROBOT = "#c4620a"
ALARM = "#b3164b"
HOLD = "#5b6777"

SIDES = {"user": USER, "robot": ROBOT}
FONTS = ("Inter", "Helvetica Neue", "Source Sans 3", "Liberation Sans", "Arial", "DejaVu Sans")


@dataclass(frozen=True)
class FlagStyle:
    """A labelled mark: its label, its colour, its marker (matplotlib's name), filled or hollow."""

    label: str
    colour: str
    marker: str
    filled: bool


FLAGS = {
    "interruption": FlagStyle("interruption", ALARM, "v", True),
    "robot_yielded": FlagStyle("robot yielded", ROBOT, "D", True),
    "backchannel": FlagStyle("backchannel", USER, "o", False),
}
# What the lanes show already gets no flag of its own, nor does what is not sure.
DRAWN = {*FLAGS, "robot_kept_floor", "robot_silenced", "robot_backchannel", "long_silence"}
# Where a side starts and stops is marked on its own waveform, without words.
EDGES = {f"{side}_{edge}" for side in SIDES for edge in ("started", "stopped")}


def is_drawn(kind: str, state: str, revises: str) -> bool:
    """Return whether an event (see msg/TurnEvent.msg) belongs into the picture.

    Suspicions do not, nor what only takes one back; a backchannel tells something by itself.
    """
    if state != "confirmed":
        return False
    return kind in DRAWN or (kind in EDGES and not revises)


def flag_style(kind: str) -> FlagStyle:
    """Return how a mark of ``kind`` looks; a kind without a style of its own stays neutral."""
    return FLAGS.get(kind) or FlagStyle(kind.replace("_", " "), QUIET_INK, "s", False)


def font(size: float, weight: str = "normal") -> font_manager.FontProperties:
    """Return the first installed of the preferred fonts; DejaVu Sans comes with matplotlib.

    The rest of the list stays behind it for the characters that the first does not have.
    """
    installed = set(font_manager.get_font_names())
    family = [name for name in FONTS if name in installed]
    return font_manager.FontProperties(family=family, size=size, weight=weight)
