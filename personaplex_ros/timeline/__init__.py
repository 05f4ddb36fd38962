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
    "words_from_pieces",
    "write_html",
    "write_timeline",
]


def write_timeline(recording: Recording, path: str | Path) -> tuple[Path, Path]:
    """Write the picture and the page side by side and return their paths, PNG first.

    ``path`` may end in ``.png``, in ``.html`` or in neither; both files share the name before that.
    Raises FileNotFoundError when the folder does not exist.
    """
    path = Path(path)
    stem = path.stem if path.suffix.lower() in {".png", ".html"} else path.name
    picture, page = path.with_name(f"{stem}.png"), path.with_name(f"{stem}.html")
    draw_png(recording, picture)
    write_html(recording, page)
    return picture, page
