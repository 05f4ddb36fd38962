"""Whether the robot hears well: what is wrong with the microphone's audio, and what to do."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from personaplex_ros.audio import IntakeCounters
from personaplex_ros.node.health.growth import Growth
from personaplex_ros.node.hosts.bus import LogLevel

REPEAT_S = 60.0
"""After which time a fault of one kind is logged again while it lasts."""
WELL_S = 5.0
"""Time without a fault after which all is well again."""
MISSING_S = 5.0
"""Time without any message that is a fault."""
MUTED_S = 30.0
"""Time of digital silence that is a fault: some drivers send it while nobody speaks."""
RATE_WINDOW_S = 8.0
"""Time over which audio is compared with the clock; blocks of up to 1 s must not mislead."""
SLOWEST, FASTEST = 0.75, 1.33
"""Seconds of audio in a second: beyond these its rate is not the declared one."""
USUAL_RATES = (8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000, 192_000)

_KINDS = {
    "refused": ("empty", "oversized", "bad_format", "bad_channels", "bad_rate"),
    "second publisher": ("second_publisher",),
    "samples": ("nan_samples", "clipped_samples"),
    "continuity": (
        "gaps", "overlaps", "restarts", "stamp_jumps", "skipped_frames", "late_samples",
    ),
}  # fmt: skip
"""Counters of the intake whose growth is a fault, by its kind."""

clock = time.monotonic


@dataclass(frozen=True)
class MicrophoneSnapshot:
    """What is known of the microphone: counters, and the last fault of each of both places.

    `unreadable` counts messages that were not understood. `notes` say what is peculiar about the
    publisher and is put right here. `remedy` is what to do when nothing comes; empty where nothing
    has to, as after the end of a recording.
    """

    counters: IntakeCounters
    problem: str = ""
    notes: tuple[str, ...] = ()
    unreadable: int = 0
    unreadable_problem: str = ""
    remedy: str = ""


class MicrophoneHealth:
    """Judges snapshots, and logs when a fault begins, every minute that it lasts, and its end."""

    def __init__(self, log: Callable[[LogLevel, str], None]) -> None:
        self._log = log
        self.forget()

    def forget(self) -> None:
        """Begin anew, as the node does when it is activated."""
        self._growth = Growth()
        self._told: dict[str, float] = {}
        self._notes: set[str] = set()
        self._ill_since_s: float | None = None
        self._ill_at_s = 0.0
        self._arrived_at_s: float | None = None
        self._window: tuple[float, int] | None = None
        self._rate_fault = ""

    def judge(self, now: MicrophoneSnapshot) -> str:
        """Return what is wrong, the worst first to be told; empty while all is well."""
        at_s = clock()
        for note in now.notes:
            if note not in self._notes:
                self._notes.add(note)
                self._log("warn", f"microphone: {note}")
        faults = self._faults(now, at_s)
        for kind, text in faults.items():
            if at_s - self._told.get(kind, -REPEAT_S) >= REPEAT_S:
                self._told[kind] = at_s
                self._ill_since_s = self._ill_since_s or at_s
                self._log("error" if kind == "unreadable" else "warn", f"microphone: {text}")
        if faults:
            self._ill_at_s = at_s
        elif self._ill_since_s is not None and at_s - self._ill_at_s >= WELL_S:
            lasted_s = self._ill_at_s - self._ill_since_s
            self._log("info", f"microphone: it is heard well again, after {lasted_s:.0f} s")
            self._ill_since_s = None
        return next(iter(faults.values()), "")

    def _faults(self, now: MicrophoneSnapshot, at_s: float) -> dict[str, str]:
        """Return what is wrong by its kind, the worst first."""
        counters = now.counters
        grown = {
            kind: sum([self._growth.of(name, getattr(counters, name)) for name in names])
            for kind, names in _KINDS.items()
        }
        unreadable = self._growth.of("unreadable", now.unreadable)
        heard = self._growth.of("chunks", counters.chunks)
        if self._arrived_at_s is None or heard or unreadable or grown["refused"]:
            self._arrived_at_s = at_s
        self._compare_with_clock(counters, heard, at_s)
        missing_s = at_s - self._arrived_at_s
        faults = {
            "unreadable": now.unreadable_problem if unreadable else "",
            "missing": _missing(missing_s, now.remedy),
            "rate": self._rate_fault,
            "muted": _muted(counters.silent_ns / 1e9) if heard else "",
        }
        faults |= {kind: now.problem for kind in _KINDS if grown[kind]}
        return {kind: text for kind, text in faults.items() if text}

    def _compare_with_clock(self, counters: IntakeCounters, heard: int, at_s: float) -> None:
        """Find out whether audio comes as fast as its declared rate says."""
        if self._window is None or not heard:
            self._window, self._rate_fault = (at_s, counters.covered_ns), ""
            return
        since_s, covered_ns = self._window
        if at_s - since_s < RATE_WINDOW_S:
            return
        pace = (counters.covered_ns - covered_ns) / 1e9 / (at_s - since_s)
        self._window = at_s, counters.covered_ns
        self._rate_fault = "" if SLOWEST <= pace <= FASTEST else _wrong_rate(pace, counters.rate)


def _missing(seconds: float, remedy: str) -> str:
    if seconds < MISSING_S or not remedy:
        return ""
    return f"nothing has come for {seconds:.0f} s, the robot hears nothing; {remedy}"


def _muted(seconds: float) -> str:
    if seconds < MUTED_S:
        return ""
    return (
        f"only digital silence for {seconds:.0f} s: is it muted, or the driver's channel or device "
        "the wrong one?"
    )


def _wrong_rate(pace: float, rate: int) -> str:
    real = pace * rate
    nearest = min(USUAL_RATES, key=lambda usual: abs(usual - real))
    guess = f", so its rate may be {nearest} Hz" if abs(nearest - real) < 0.04 * real else ""
    cause = "or messages are lost" if pace < 1 else "or several publishers send as one"
    return (
        f"{pace:.2f} s of audio come in a second at the declared {rate} Hz{guess}; set the "
        f"publisher's sample rate right (audio_in_rate where its messages carry none), {cause}"
    )
