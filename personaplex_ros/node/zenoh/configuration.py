"""The environment that rmw_zenoh's nodes obey, as a configuration of a Zenoh session."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import zenoh

from personaplex_ros.node.hosts.environment import ZENOH_FILE, ZENOH_OVERRIDE

LARGEST_MESSAGE = 32 * 1024 * 1024
"""Bytes of a message that are put together, more than any audio that is accepted."""
ROUTER = "tcp/localhost:7447"

# What rmw_zenoh's own file sets, as far as Zenoh would do otherwise: a peer that finds others
# through a router on this machine, and stamps what it sends, as caches of topics need it.
_DEFAULTS: dict[str, Any] = {
    "mode": "peer",
    "connect/endpoints": [ROUTER],
    "listen/endpoints": ["tcp/localhost:0"],
    "scouting/multicast/enabled": False,
    "timestamping/enabled": True,
    "transport/link/rx/max_message_size": LARGEST_MESSAGE,
}


def session_configuration(environment: Mapping[str, str]) -> zenoh.Config:
    """Read ZENOH_SESSION_CONFIG_URI and ZENOH_CONFIG_OVERRIDE; ValueError names what is wrong."""
    path = environment.get(ZENOH_FILE, "").removeprefix("file://")
    configuration = _of_file(path) if path else _default()
    for pair in filter(None, map(str.strip, environment.get(ZENOH_OVERRIDE, "").split(";"))):
        key, separator, value = pair.partition("=")
        if not separator:
            raise ValueError(f"{ZENOH_OVERRIDE}: {pair!r} must have the form key/of/setting=value")
        try:
            configuration.insert_json5(key.strip(), value.strip())
        except zenoh.ZError as error:
            raise ValueError(
                f"{ZENOH_OVERRIDE}: {pair!r} is no setting of Zenoh's; a text needs quotes, as in "
                f'mode="client": {_first_line(error)}'
            ) from error
    return configuration


def _default() -> zenoh.Config:
    configuration = zenoh.Config()
    for key, value in _DEFAULTS.items():
        configuration.insert_json5(key, json.dumps(value))
    return configuration


def _of_file(path: str) -> zenoh.Config:
    if not Path(path).is_file():
        raise ValueError(f"{ZENOH_FILE} names {path}, where there is no file")
    try:
        return zenoh.Config.from_file(path)
    except zenoh.ZError as error:
        raise ValueError(f"{path} ({ZENOH_FILE}) cannot be read: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
