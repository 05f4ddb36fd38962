"""Whether a session of Zenoh can be opened, where the environment asks for it."""

from __future__ import annotations

import os
from collections.abc import Mapping

from personaplex_ros.doctor.finding import Finding, Setup, Status
from personaplex_ros.node.hosts.environment import ZENOH_OVERRIDE, speaks_zenoh


def check(setup: Setup) -> list[Finding]:
    """Open a session as the node would; nothing is said where it would not."""
    return [session(os.environ)] if speaks_zenoh(os.environ) else []


def session(environment: Mapping[str, str]) -> Finding:
    """Open a session, look for a router or another peer, and close it."""
    try:
        import zenoh

        from personaplex_ros.node.zenoh.configuration import session_configuration
    except ModuleNotFoundError:
        found = "the Python package zenoh is missing"
        return Finding("Zenoh", Status.FAIL, found, "install it:", "pip install eclipse-zenoh")
    try:
        with zenoh.open(session_configuration(environment)) as opened:
            routers, peers = len(opened.info.routers_zid()), len(opened.info.peers_zid())
    except (ValueError, zenoh.ZError) as error:
        found = f"no session can be opened: {str(error).splitlines()[0]}"
        return Finding("Zenoh", Status.FAIL, found, f"correct {ZENOH_OVERRIDE}, or unset it")
    if routers or peers:
        found = f"a session found {routers} router(s) and {peers} other peer(s)"
        return Finding("Zenoh", Status.OK, found)
    remedy = (
        "start a router (ros2 run rmw_zenoh_cpp rmw_zenohd), or let peers find each other by "
        "multicast, all of them:"
    )
    command = f"export {ZENOH_OVERRIDE}='scouting/multicast/enabled=true'"
    return Finding("Zenoh", Status.WARN, "no router and no other peer found", remedy, command)
