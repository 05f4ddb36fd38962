"""What /diagnostics says about the robot's own voice in its microphone."""

from __future__ import annotations

from dataclasses import dataclass

from personaplex_ros.audio.echo import EchoPath
from personaplex_ros.node.hosts.messages import OK, WARN, Status
from personaplex_ros.turns import Duplex, EchoReport

REMEDY = (
    "turn the loudspeaker down, move it away from the microphone, or take a microphone that cancels"
)
DUPLEX = {
    Duplex.FULL: "",
    Duplex.DUCKED: "the robot hears itself and speaks softer for it",
    Duplex.HALF: "the robot hears itself, so it listens to nobody while it speaks",
}


@dataclass(frozen=True)
class EchoSnapshot:
    """cancelling: whether the echo is taken out. missing: why not all of it, empty where it is."""

    cancelling: bool
    missing: str
    path: EchoPath
    report: EchoReport


def echo_status(echo: EchoSnapshot) -> Status:
    """Return the entry of the echo."""
    path, report = echo.path, echo.report
    values = [
        ("cancellation", "partly" if echo.missing else "on" if echo.cancelling else "off"),
        ("delay", "not known" if path.delay_s is None else f"{1e3 * path.delay_s:.1f} ms"),
        ("clock drift", f"{path.drift_ppm:.0f} ppm"),
        ("return loss", decibels(report.return_loss_db)),
        ("cancelled", decibels(report.cancelled_db)),
        ("softest person over the robot", f"{-report.limit_db:.0f} dB"),
        ("own voice heard", f"{100 * report.heard:.0f} %"),
        ("duplex", report.duplex.value),
    ]
    if report.duplex is not Duplex.FULL:
        return Status("echo", WARN, f"{DUPLEX[report.duplex]}: {REMEDY}", values)
    if echo.missing:
        text = f"what is left of the echo is not suppressed: {echo.missing}"
        return Status("echo", WARN, text, values)
    return Status("echo", OK, "cancelled" if echo.cancelling else "not cancelled here", values)


def decibels(value: float | None) -> str:
    """Return a level in words."""
    return "not known" if value is None else f"{value:.0f} dB"
