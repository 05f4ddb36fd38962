"""Whose DDS a peer runs, and whether a service can be called between two.

RTPS (9.3.1.5) lets every GUID begin with the vendor's id. Topics are the same on every vendor's
wire. A service's request is not: rmw_cyclonedds puts its header into the sample, the others beside
it, so that each reads the other's bytes as what they are not. Servers have run out of memory of it
(ros2/rmw_cyclonedds issue 577).
"""

from __future__ import annotations

CYCLONE = 0x0110
_FAST, _CONNEXT = 0x010F, 0x0101
_NAMES = {
    _CONNEXT: "RTI Connext",
    0x0102: "OpenSplice",
    0x0103: "OpenDDS",
    0x0106: "CoreDX",
    0x010A: "RTI Connext Micro",
    _FAST: "Fast DDS",
    CYCLONE: "Cyclone DDS",
}
_OF_RMW = {
    "rmw_cyclonedds_cpp": CYCLONE,
    "rmw_fastrtps_cpp": _FAST,
    "rmw_fastrtps_dynamic_cpp": _FAST,
    "rmw_connextdds": _CONNEXT,
}


def vendor_of(guid: bytes) -> int | None:
    """Return the vendor's id in a GUID; None for one that does not follow the rule."""
    return int.from_bytes(guid[:2], "big") if guid[:1] == b"\x01" else None


def vendor_of_rmw(implementation: str) -> int | None:
    """Return the vendor of an RMW_IMPLEMENTATION; None if it is not one of DDS that is known."""
    return _OF_RMW.get(implementation)


def vendor_name(vendor: int | None) -> str:
    """Return how a vendor's DDS is called."""
    if vendor is None:
        return "a DDS that does not tell its vendor"
    return _NAMES.get(vendor, f"the DDS of vendor 0x{vendor:04x}")


def services_cross(own: int | None, theirs: int | None) -> bool:
    """Tell whether a request can be sent without harm; whether it is answered is another matter."""
    return (own == CYCLONE) == (theirs == CYCLONE)


def refusal(service: str, own: int | None, theirs: int | None, topic: str) -> str:
    """Return why a service is not called, and what to do; `topic` takes the request, if any."""
    by_topic = f"publish on the topic {topic} in its place, or " if topic else ""
    return (
        f"{service} is served by {vendor_name(theirs)} and cannot be called from "
        f"{vendor_name(own)}: services and actions do not cross between the two, and a request "
        f"may crash the server; {by_topic}run both on one (RMW_IMPLEMENTATION)"
    )
