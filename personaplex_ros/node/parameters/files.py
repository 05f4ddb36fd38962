"""Parameter files as ROS 2 writes them: reading one, and writing config/personaplex.yaml.

``python -m personaplex_ros.node.parameters.files`` prints the file with every default.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from personaplex_ros.node.hosts.names import NodeName
from personaplex_ros.node.hosts.ros_yaml import flat, load_yaml
from personaplex_ros.node.parameters.definition import ParameterError
from personaplex_ros.node.parameters.table import PARAMETERS

PARAMETERS_KEY = "ros__parameters"
_FORM = f"node_name: {{{PARAMETERS_KEY}: {{name: value}}}}"


@dataclass(frozen=True)
class Section:
    """One section of a parameter file: for which nodes, and what it sets by dotted names.

    Without a path, a single argument for one node.
    """

    path: str
    pattern: str
    values: dict[str, Any]

    @property
    def for_many(self) -> bool:
        """Whether it may be meant for other nodes as well."""
        return "*" in self.pattern

    @property
    def place(self) -> str:
        """File and section, to begin a message with; empty for a single argument."""
        return f"{self.path}, under {self.pattern}: " if self.path else ""

    def matches(self, node: NodeName) -> bool:
        """Tell whether it is for `node`: * stands for one part of a name, ** for any number."""
        return matches(self.pattern, node)


def matches(pattern: str, node: NodeName) -> bool:
    """Tell whether an absolute name with * and ** in it means `node`."""
    expression = "".join(
        {"*": r"/\w+", "**": r"(/\w+)*"}.get(part, f"/{re.escape(part)}")
        for part in pattern.lstrip("/").split("/")
    )
    return re.fullmatch(expression, node.full) is not None


def read_parameter_file(path: str | Path) -> list[Section]:
    """Return the sections of the file at `path`, in the order in which they stand.

    Raises ParameterError naming file, place and remedy.
    """
    try:
        document = load_yaml(Path(path).read_text(encoding="utf-8"))
        return list(_sections(document, str(path), "")) if document is not None else []
    except OSError as error:
        raise ParameterError(f"the parameter file {path} cannot be read: {error}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ParameterError(f"the parameter file {path} is not YAML: {error}") from error
    except RecursionError:
        raise ParameterError(f"the parameter file {path} contains itself by an alias") from None


def _sections(tree: Any, path: str, prefix: str) -> Iterator[Section]:
    """Find the sections of both spellings: nested namespaces, or one full name."""
    if not isinstance(tree, dict):
        raise ParameterError(
            f"the parameter file {path}: {prefix or 'the file'} must be of the form {_FORM}"
        )
    for key, below in tree.items():
        if key != PARAMETERS_KEY:
            yield from _sections(below, path, f"{prefix.rstrip('/')}/{str(key).lstrip('/')}")
            continue
        if not isinstance(below or {}, dict):
            raise ParameterError(
                f"the parameter file {path}: {prefix}/{PARAMETERS_KEY} must be a mapping of names "
                "to values"
            )
        if any("*" in part and part not in ("*", "**") for part in prefix.split("/")):
            raise ParameterError(
                f"the parameter file {path}: in {prefix} a * must be a whole part of the name, "
                "as in /*/personaplex and /**/personaplex"
            )
        yield Section(path, prefix, flat(below or {}))


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
