"""What a host takes on its command line besides ROS arguments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from personaplex_ros.node.hosts.names import NodeName, RemapRule

ROBOTS = "--robots"
AUTOSTART = "--autostart"
NO_AUTOSTART = "--no-autostart"


@dataclass(frozen=True)
class HostOptions:
    """``robots``: the namespaces of the robots that this process serves, none for a single node.

    ``autostart`` is None where it was not said.
    """

    robots: tuple[str, ...] = ()
    autostart: bool | None = None


def parse_host_options(words: Sequence[str], remaps: Sequence[RemapRule] = ()) -> HostOptions:
    """Parse ``[--autostart | --no-autostart] [--robots NAMESPACE ...]``.

    Raises ValueError for other words, and for namespaces that are not ROS's, come twice, or would
    all be replaced by one of the remapping rules.
    """
    pending = list(words)
    robots: list[str] = []
    autostart = None
    while pending:
        word = pending.pop(0)
        if word in (AUTOSTART, NO_AUTOSTART):
            autostart = word == AUTOSTART
        elif word == ROBOTS:
            while pending and not pending[0].startswith("--"):
                robots.append("/" + pending.pop(0).strip("/"))
            if not robots:
                raise ValueError(f"{ROBOTS} needs namespaces, for example: {ROBOTS} robot1 robot2")
        else:
            raise ValueError(
                f"unknown argument {word!r}; known are {AUTOSTART}, {NO_AUTOSTART}, {ROBOTS} "
                "and --ros-args ..."
            )
    if robots and any(rule.source == "__ns" for rule in remaps):
        raise ValueError(f"{ROBOTS} gives each robot its namespace; leave __ns out")
    for robot in robots:
        NodeName("node", robot)  # checks it
        if robots.count(robot) > 1:
            raise ValueError(f"{ROBOTS}: {robot} comes twice; each robot needs its own namespace")
    return HostOptions(tuple(robots), autostart)
