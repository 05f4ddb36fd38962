"""The picture of a conversation: both voices, the robot's words and the turn events over time."""

from __future__ import annotations

from pathlib import Path

from .page import write_html
from .picture import draw_png
from .recording import Mark, Recording, Word, speaking_spans, state_spans, words_from_pieces
from .style import is_drawn

__all__ = [
    "Mark",
    "Recording",
    "Word",
    "draw_png",
    "is_drawn",
    "speaking_spans",
    "state_spans",
    "timeline_files",
    "words_from_pieces",
    "write_html",
    "write_timeline",
]


def timeline_files(path: str | Path) -> tuple[Path, Path]:
    """Return the picture and the page that `write_timeline` writes, PNG first.

    ``path`` may end in ``.png``, in ``.html`` or in neither; both files share the name before that.
    Raises ValueError where it ends in no name.
    """
    path = Path(path)
    if not path.name:
        raise ValueError(f"a timeline cannot be written to {str(path)!r}: the path has no name")
    stem = path.stem if path.suffix.lower() in {".png", ".html"} else path.name
    return path.with_name(f"{stem}.png"), path.with_name(f"{stem}.html")


def write_timeline(recording: Recording, path: str | Path) -> tuple[Path, Path]:
    """Write the picture and the page side by side and return their paths (`timeline_files`).

    Raises OSError where they cannot be written.
    """
    picture, page = timeline_files(path)
    draw_png(recording, picture)
    write_html(recording, page)
    return picture, page
