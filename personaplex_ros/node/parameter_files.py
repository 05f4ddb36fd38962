"""Parameter files as ROS 2 writes them: reading one, and writing config/personaplex.yaml.

``python -m personaplex_ros.node.parameter_files`` prints the file with every default.
"""

from __future__ import annotations

import fnmatch
import textwrap
from pathlib import Path
from typing import Any

import yaml

from personaplex_ros.node.parameter import ParameterError
from personaplex_ros.node.parameters import PARAMETERS


def read_parameter_file(path: str | Path, node: str) -> dict[str, Any]:
    """Return what the file at `path` sets for the node with the full name `node` ("/ns/name").

    Later sections override earlier ones. Raises ParameterError naming file, place and remedy.
    """
    try:
        document = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ParameterError(f"the parameter file {path} cannot be read: {error}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ParameterError(f"the parameter file {path} is not YAML: {error}") from error
    if document is None:
        return {}
    values: dict[str, Any] = {}
    for pattern, section in _sections(document, path):
        if not _matches(pattern, node):
            continue
        if not isinstance(section, dict):
            raise ParameterError(
                f"{path}: {pattern}/ros__parameters must be a mapping of names to values"
            )
        values.update(section)
    return values


def _sections(document: Any, path: str | Path) -> list[tuple[str, Any]]:
    """Return (node pattern, parameters) of both spellings: nested namespaces or one full name."""
    found: list[tuple[str, Any]] = []

    def walk(tree: Any, prefix: str) -> None:
        if not isinstance(tree, dict):
            raise ParameterError(
                f"{path}: {prefix or 'the file'} must be of the form "
                "node_name: {ros__parameters: {name: value}}"
            )
        for key, below in tree.items():
            if key == "ros__parameters":
                found.append((prefix, below))
            else:
                walk(below, f"{prefix.rstrip('/')}/{str(key).lstrip('/')}")

    walk(document, "")
    return found


def _matches(pattern: str, node: str) -> bool:
    if pattern.startswith("/**/"):
        return fnmatch.fnmatchcase(node, "*" + pattern[3:])
    return pattern == "/**" or fnmatch.fnmatchcase(node, pattern)


def render_parameter_file() -> str:
    """Return a parameter file with every parameter, its default, and its description above it."""
    lines = ["# Parameters of the node personaplex with their defaults.", "/**:"]
    lines.append("  ros__parameters:")
    for parameter in PARAMETERS:
        comment = f"{parameter.description} ({parameter.constraints})"
        wrapped = textwrap.wrap(comment, 92, break_long_words=False, break_on_hyphens=False)
        lines += [f"    # {text}" for text in wrapped]
        value = yaml.safe_dump(parameter.default, default_style=_style(parameter.default))
        lines.append(f"    {parameter.name}: {value.splitlines()[0]}")
    return "\n".join(lines) + "\n"


def _style(value: object) -> str | None:
    return '"' if isinstance(value, str) else None


if __name__ == "__main__":
    print(render_parameter_file(), end="")
