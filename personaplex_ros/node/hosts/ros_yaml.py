"""YAML as ROS 2 reads it for parameters: what a plain scalar is, and nested names with dots."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

import yaml

_TAG = "tag:yaml.org,2002:"


class _Loader(yaml.SafeLoader):
    """Takes scalars as rcl does: 1e3 is a number, y and on are booleans, a date is a string."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012
    bool_values: ClassVar[dict[str, bool]] = {**yaml.SafeLoader.bool_values, "y": True, "n": False}


for kind, pattern, first in (
    ("merge", r"<<", "<"),
    ("bool", r"[YyNn]|yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF",
     "yYnNtTfFoO"),
    ("int", r"[-+]?(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)", "-+0123456789"),
    ("float", r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?"
     r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", "-+.0123456789"),
):  # fmt: skip
    _Loader.add_implicit_resolver(f"{_TAG}{kind}", re.compile(rf"(?:{pattern})\Z"), list(first))


def load_yaml(text: str) -> Any:
    """Return what `text` says, an empty string for an empty scalar; raises yaml.YAMLError."""
    return yaml.load(text, _Loader)


def flat(tree: Mapping[Any, Any], prefix: str = "") -> dict[str, Any]:
    """Return the values of nested mappings by their dotted names, as ROS 2 names parameters."""
    values: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            values.update(flat(value, f"{prefix}{key}."))
        else:
            values[f"{prefix}{key}"] = value
    return values
