"""The environment that ROS 2 nodes obey, as a Cyclone DDS configuration.

The same variables mean the same as to ROS 2's rmw_cyclonedds (Jazzy): base settings from
ROS_AUTOMATIC_DISCOVERY_RANGE and ROS_STATIC_PEERS, then whatever CYCLONEDDS_URI says.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from personaplex_ros.node.hosts.environment import domain_id, refuse_security

_RANGES = ("SUBNET", "LOCALHOST", "OFF", "SYSTEM_DEFAULT")
_PARTICIPANTS_PER_HOST = 32
LARGEST_SAMPLE = "32 MiB"
"""Bytes of a message that are put together, more than any audio that is accepted."""


@dataclass(frozen=True)
class DomainSettings:
    """Which domain to join and how; ``configuration`` is a list for CYCLONEDDS_URI, or empty."""

    domain_id: int
    configuration: str


def domain_settings(environment: Mapping[str, str], process_id: int) -> DomainSettings:
    """Read the settings from environment variables; ValueError names a variable that is wrong."""
    refuse_security(environment, "PyPI's Cyclone DDS has no security plugins")
    base = _base_configuration(environment, process_id)
    parts = [part for part in (base, environment.get("CYCLONEDDS_URI", "")) if part]
    return DomainSettings(domain_id(environment), ",".join(parts))


@contextlib.contextmanager
def applied(configuration: str) -> Iterator[None]:
    """Let Cyclone DDS read this configuration if it creates a domain inside the block.

    It does so when the process's first participant in that domain is made. A domain that is
    created explicitly would take a configuration directly, but takes all its participants
    with it when it is deleted, also those of others in the same process.
    """
    before = os.environ.get("CYCLONEDDS_URI")
    os.environ["CYCLONEDDS_URI"] = configuration
    try:
        yield
    finally:
        if before is None:
            del os.environ["CYCLONEDDS_URI"]
        else:
            os.environ["CYCLONEDDS_URI"] = before


def _base_configuration(environment: Mapping[str, str], process_id: int) -> str:
    reach = environment.get("ROS_AUTOMATIC_DISCOVERY_RANGE", "") or "SUBNET"
    if environment.get("ROS_LOCALHOST_ONLY", "") == "1":
        reach = "LOCALHOST"
    if reach not in _RANGES:
        raise ValueError(
            f"ROS_AUTOMATIC_DISCOVERY_RANGE is {reach!r}; it must be one of {', '.join(_RANGES)}"
        )
    if reach == "SYSTEM_DEFAULT":
        return ""
    peers = [p for p in environment.get("ROS_STATIC_PEERS", "").split(";") if p]
    if reach == "LOCALHOST":
        peers.insert(0, "localhost")
    elif reach == "OFF":
        peers = []
    root = ElementTree.Element("CycloneDDS")
    domain = _add(root, "Domain")
    # Here and not in rmw_cyclonedds: a peer must not fill the memory with one message.
    _add(_add(domain, "Internal"), "MaxSampleSize", LARGEST_SAMPLE)
    if reach != "SUBNET":
        general = _add(domain, "General")
        _add(general, "AllowMulticast", "false")
        if reach == "LOCALHOST" and not _chooses_interfaces(environment.get("CYCLONEDDS_URI", "")):
            # Not in rmw_cyclonedds, whose older Cyclone DDS asks 127.0.0.1 from any interface;
            # since version 11 that finds nobody who does not use the loopback interface itself.
            # An interface that is named twice is an error, so the user's own choice goes first.
            _add(_add(general, "Interfaces"), "NetworkInterface").set("address", "127.0.0.1")
    discovery = _add(domain, "Discovery")
    if reach == "OFF":
        # A tag of its own keeps a participant apart from every other one.
        _add(discovery, "ParticipantIndex", "none")
        _add(discovery, "Tag", f"ros_discovery_off_{process_id}")
    else:
        _add(discovery, "ParticipantIndex", "auto")
        _add(discovery, "MaxAutoParticipantIndex", str(_PARTICIPANTS_PER_HOST))
    if peers:
        known = _add(discovery, "Peers")
        for peer in peers:
            _add(known, "Peer").set("address", peer)
    return ElementTree.tostring(root, encoding="unicode")


def _chooses_interfaces(uri: str) -> bool:
    """Tell whether CYCLONEDDS_URI, a list of XML texts and files, names network interfaces."""
    texts = [uri]
    for part in uri.split(","):
        if part.strip() and not part.lstrip().startswith("<"):
            with contextlib.suppress(OSError):
                path = Path(part.strip().removeprefix("file://"))
                texts.append(path.read_text(encoding="utf-8", errors="replace"))
    return any("<NetworkInterface" in re.sub("<!--.*?-->", "", t, flags=re.DOTALL) for t in texts)


def _add(parent: ElementTree.Element, tag: str, text: str | None = None) -> ElementTree.Element:
    element = ElementTree.SubElement(parent, tag)
    element.text = text
    return element
