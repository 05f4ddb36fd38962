"""The words above a timeline, the same for the picture and the page."""

from __future__ import annotations

from .recording import Recording

COUNTED = {"interruption": "interruption", "robot_yielded": "yield", "backchannel": "backchannel"}


def title(recording: Recording) -> str:
    """Return the recording's title, or a plain one where it has none."""
    return recording.title.strip() or "Conversation"


def summary(recording: Recording) -> str:
    """Return length and counts on one line; events that did not happen are not mentioned."""
    parts = [f"{recording.duration_s:.1f} s", _count(len(recording.words), "word")]
    for kind, noun in COUNTED.items():
        number = sum(mark.kind == kind for mark in recording.marks)
        if number:
            parts.append(_count(number, noun))
    return "   ·   ".join(parts)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
