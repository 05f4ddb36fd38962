"""Whether a participant of Cyclone DDS can be made, and whether others can find it."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass

import psutil

from personaplex_ros.doctor.finding import Finding, Setup, Status
from personaplex_ros.node.dds.domain import applied, domain_settings
from personaplex_ros.node.hosts.environment import speaks_zenoh
from personaplex_ros.optional import without_cyclone

LOOPBACK_ONLY = (
    "export CYCLONEDDS_URI='<CycloneDDS><Domain><General><Interfaces>"
    '<NetworkInterface name="lo" multicast="true"/>'
    "</Interfaces></General></Domain></CycloneDDS>'"
)


@dataclass(frozen=True)
class Interface:
    """A network interface that is up."""

    name: str
    address: str
    multicast: bool
    loopback: bool


def check(setup: Setup) -> list[Finding]:
    """Make a participant as the node would, and look at the interfaces; unless it speaks Zenoh."""
    if speaks_zenoh(os.environ):
        return []
    return [participant(os.environ), network(interfaces(), os.environ)]


def participant(environment: Mapping[str, str]) -> Finding:
    """Join the domain that the environment names, and leave it."""
    try:
        from cyclonedds.core import DDSException
        from cyclonedds.domain import DomainParticipant
    except ModuleNotFoundError:
        # The node under ROS does without it.
        status = Status.WARN if environment.get("AMENT_PREFIX_PATH") else Status.FAIL
        return Finding("Cyclone DDS", status, "not there", without_cyclone(sys.version_info[:2]))
    try:
        settings = domain_settings(environment, os.getpid())
    except ValueError as error:
        return Finding("Cyclone DDS", Status.FAIL, str(error), "correct the variable, or unset it")
    try:
        with applied(settings.configuration):
            DomainParticipant(settings.domain_id)
    except DDSException as error:
        found = f"no participant can be made in domain {settings.domain_id}: {_short(error)}"
        remedy = "check CYCLONEDDS_URI (interface names, well-formed XML); on loopback alone:"
        return Finding("Cyclone DDS", Status.FAIL, found, remedy, LOOPBACK_ONLY)
    found = f"joined domain {settings.domain_id} (ROS_DOMAIN_ID)"
    return Finding("Cyclone DDS", Status.OK, found)


def network(found: list[Interface], environment: Mapping[str, str]) -> Finding:
    """Judge whether other machines and processes can find the node."""
    outward = [i for i in found if not i.loopback]
    if environment.get("CYCLONEDDS_URI"):
        text = "CYCLONEDDS_URI is set and chooses the interfaces"
        return Finding("Network", Status.OK, text)
    able = [i for i in outward if i.multicast]
    if able:
        text = "multicast on " + ", ".join(f"{i.name} ({i.address})" for i in able[:3])
        return Finding("Network", Status.OK, text)
    if outward:
        text = f"no multicast on {', '.join(i.name for i in outward)}"
        remedy = "name the other machines, as discovery cannot find them:"
        return Finding("Network", Status.WARN, text, remedy, "export ROS_STATIC_PEERS='ADDRESS'")
    remedy = "for processes on this machine to find each other:"
    return Finding("Network", Status.WARN, "loopback only", remedy, LOOPBACK_ONLY)


def interfaces() -> list[Interface]:
    """Return the interfaces that are up and have an IPv4 address."""
    states, found = psutil.net_if_stats(), []
    for name, addresses in psutil.net_if_addrs().items():
        flags = states[name].flags.split(",") if name in states else []
        for address in addresses:
            if address.family == socket.AF_INET and "up" in flags:
                loopback = "loopback" in flags
                found.append(Interface(name, address.address, "multicast" in flags, loopback))
    return found


def _short(error: Exception) -> str:
    return str(error).splitlines()[0]
