"""What is told of an endpoint of others that has a name of this node's and does not fit it."""

from __future__ import annotations

WRITES, READS = "published", "read"


def other_type(theirs: str, ours: str, ours_does: str) -> str:
    """Return why nothing gets across between two types."""
    return f"as {theirs}, by this node {ours_does} as {ours}; use one type"


def told(name: str, does: str, why: str) -> str:
    """Return the line for the log; `does` is what others do with it."""
    return f"{name} is {does} {why}. Until then nothing of it gets across"
