"""Text, JSON and YAML that people write: whatever is wrong with a file is told with its line.

Launch files import this in ROS's own Python, so that nothing but PyYAML is needed here.
"""

from __future__ import annotations

import json
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

LARGEST = 16 << 20  # bytes; whoever names a file of weights by mistake need not wait for it


def read_text(path: Path) -> str:
    """Read UTF-8 with or without a byte order mark.

    Raises ValueError naming file, line and remedy for other encodings and for what is no text.
    """
    if path.stat().st_size > LARGEST:
        raise ValueError(f"{path} is larger than {LARGEST >> 20} MiB, so it is not a text file")
    data = path.read_bytes()
    if b"\0" in data:
        encoding, start = "UTF-16", data.index(b"\0")
    else:
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            encoding, start = "LATIN1", error.start
    line = data.count(b"\n", 0, start) + 1
    raise ValueError(
        f"{path}, line {line}: not UTF-8 text; if it is {encoding}, convert it with "
        f"`iconv -f {encoding} -t UTF-8`"
    )


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object. Raises ValueError naming the file, and the line where there is one."""
    text = read_text(path)
    try:
        content = json.loads(text, object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not valid JSON: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} must hold a JSON object, it holds a {type(content).__name__}")
    return content


def read_yaml(path: Path) -> Any:
    """Read a YAML document, in which no key may stand twice.

    Raises ValueError naming file, line and what is wrong.
    """
    text = read_text(path)
    try:
        return yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as error:
        raise ValueError(_located(path, text, error)) from error
    except (yaml.YAMLError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError,
            RecursionError) as error:  # fmt: skip
        said = str(error).partition("\n")[0] or type(error).__name__
        if isinstance(error, yaml.reader.ReaderError):  # a character that no text has
            path = Path(f"{path}, line {text.count(chr(10), 0, int(error.position)) + 1}")
        raise ValueError(f"{path} is not valid YAML: {said}") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for key, value in pairs:
        if key in content:
            raise ValueError(f"the key {key!r} stands twice in one object")
        content[key] = value
    return content


class _Loader(yaml.SafeLoader):
    """Refuses a key that stands twice; PyYAML takes the last one silently."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Build a mapping, after a look at its keys."""
        seen: set[str] = set()
        for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                problem = f"the key {key.value!r} stands twice"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


def _located(path: Path, text: str, error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    place = f"{path}, line {mark.line + 1}" if mark else str(path)
    told = ": ".join(part for part in (error.context, error.problem) if part)
    line = text.splitlines()[mark.line] if mark and mark.line < len(text.splitlines()) else ""
    remedy = "; indent with spaces, not tabs" if "\t" in line else ""
    return f"{place}: not valid YAML: {told}{remedy}"
