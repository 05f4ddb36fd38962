"""No two modules of the package need each other."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import personaplex_ros

ROOT = Path(personaplex_ros.__file__).parent


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(path: Path, modules: set[str]) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= names & modules or {node.module}
    return found & modules


def test_imports_have_no_circle_also_not_for_types_alone() -> None:
    files = {module_of(path): path for path in ROOT.rglob("*.py")}
    graph = {name: imported(path, set(files)) - {name} for name, path in files.items()}
    assert len(graph["personaplex_ros.engine.engine"]) > 5
    circle: list[str] = []
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        circle = error.args[1]
    assert not circle, " needs ".join(circle)
