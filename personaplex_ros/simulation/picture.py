"""The picture of a patrol: where the robot went, and how it stopped and went on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from personaplex_ros.files import write_whole
from personaplex_ros.simulation.kinematics import Pose, Velocity
from personaplex_ros.simulation.stops import Stop
from personaplex_ros.timeline import style

DPI = 150
SIZE = (12.0, 3.6)  # inches


@dataclass(frozen=True)
class MotionPicture:
    """What is drawn: path (time in s, pose, velocity), holds in s, stops; `end_s` ends the axis."""

    path: Sequence[tuple[float, Pose, Velocity]]
    holds: Sequence[tuple[float, float]]
    stops: Sequence[Stop]
    end_s: float
    title: str


def draw_motion(motion: MotionPicture, path: str | Path) -> None:
    """Draw to the PNG file `path`: the path on the left, speed over time on the right.

    Raises ValueError without a path, FileNotFoundError where the folder does not exist.
    """
    if not motion.path:
        raise ValueError("no odometry was recorded; is the base running, and on the same domain?")
    figure = Figure(figsize=SIZE, dpi=DPI, facecolor=style.PAPER, layout="constrained")
    FigureCanvasAgg(figure)
    where, when = figure.subplots(1, 2, width_ratios=(1, 2.2))
    figure.suptitle(motion.title, x=0.01, ha="left", color=style.INK, fontsize=11)
    _draw_path(where, motion)
    _draw_speed(when, motion)
    write_whole(path, lambda target: figure.savefig(target, format="png"))


def _draw_path(axes: Axes, motion: MotionPicture) -> None:
    axes.plot(
        [pose.x for _, pose, _ in motion.path],
        [pose.y for _, pose, _ in motion.path],
        color=style.ROBOT,
        lw=1.5,
    )
    held = [pose for time_s, pose, _ in motion.path if _within(time_s, motion.holds)]
    axes.plot([p.x for p in held], [p.y for p in held], "s", color=style.HOLD, ms=5, label="held")
    axes.set(xlabel="x in m", ylabel="y in m", aspect="equal")
    axes.set_title("Path", loc="left")
    axes.margins(0.1)
    if held:
        axes.legend(loc="center", frameon=False, fontsize=8)


def _draw_speed(axes: Axes, motion: MotionPicture) -> None:
    times = [time_s for time_s, _, _ in motion.path]
    axes.plot(times, [v.linear for *_, v in motion.path], color=style.ROBOT, label="m/s")
    turning = [v.angular for *_, v in motion.path]
    axes.plot(times, turning, color=style.QUIET_INK, lw=0.8, label="rad/s")
    for number, (begin, end) in enumerate(motion.holds):
        label = "motion_hold" if number == 0 else None
        axes.axvspan(begin, end, color=style.HOLD, alpha=0.2, lw=0, label=label)
    for number, stop in enumerate(stop for stop in motion.stops if stop.onset_s is not None):
        label = "interruption begins" if number == 0 else None
        axes.axvline(float(stop.onset_s or 0.0), color=style.ALARM, lw=1.2, label=label)
    axes.set(xlim=(0.0, motion.end_s), xlabel="s")
    axes.set_title("Velocity", loc="left")
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=4, frameon=False, fontsize=8)


def _within(time_s: float, spans: Sequence[tuple[float, float]]) -> bool:
    return any(begin <= time_s < end for begin, end in spans)
