"""What /diagnostics says about the connection to a model that runs elsewhere."""

from __future__ import annotations

from personaplex_ros.conversing.link import LinkSnapshot
from personaplex_ros.node.health.growth import Growth
from personaplex_ros.node.hosts.messages import ERROR, OK, WARN, Status


def tether_status(link: LinkSnapshot, growth: Growth) -> Status:
    """Return the entry of the connection."""
    end_to_end_s = None if link.answer_s is None else link.answer_s + link.waiting_s
    values = [
        ("server", link.address),
        ("state", link.state),
        ("end to end delay", _milliseconds(end_to_end_s)),
        ("answer after", _milliseconds(link.answer_s)),
        ("waits to be even", _milliseconds(link.waiting_s)),
        ("round trip", _milliseconds(link.round_trip_s)),
        ("connections", str(link.connections)),
        ("resumed", str(link.resumed)),
        ("losses", str(link.losses)),
        ("not sent", f"{link.up_dropped_s:.2f} s"),
        ("ran dry", str(link.ran_dry)),
        ("late speech", f"{link.down_missing_s:.2f} s"),
        ("dropped speech", f"{link.down_dropped_s:.2f} s"),
        ("shortened pauses", f"{link.shortened_s:.2f} s"),
        ("kept back", f"{link.kept_silent_s:.2f} s"),
        ("damaged", str(link.damaged)),
        ("last problem", link.problem),
    ]
    missing = growth.of("ran dry", link.ran_dry)
    broken = growth.of("tether connections", max(0, link.connections - 1))
    if link.lost:
        why = link.problem or "nothing comes from the server"
        return Status("tether", ERROR, f"the model is lost: {why}", values)
    if link.state != "talking":
        return Status("tether", WARN, link.problem or f"no conversation yet: {link.state}", values)
    if broken:
        return Status("tether", WARN, "the connection was made anew", values)
    if missing:
        return Status("tether", WARN, f"speech came too late ({missing} times)", values)
    return Status("tether", OK, "in time", values)


def _milliseconds(seconds: float | None) -> str:
    return "none yet" if seconds is None else f"{1e3 * seconds:.0f} ms"
