"""Recordings of conversations: folders that survive a killed process and a full disk.

`reading` makes of one what a timeline shows; it is not imported here, for matplotlib's sake.
"""

from .archive import Archive, Limits, complete_bag
from .bag import BagMessage, Topic
from .folder import (
    EVENTS,
    TRANSCRIPT,
    WAVE,
    BagFormat,
    FolderWriter,
    Frame,
    Happening,
    Piece,
    State,
)
from .journal import Heading, Journal, JournalState
from .lines import (
    event_line,
    head_line,
    line,
    read_lines,
    transcript_line,
    user_transcript_line,
    user_utterance_line,
    utterance_line,
)
from .recorder import Recorder

__all__ = [
    "EVENTS",
    "TRANSCRIPT",
    "WAVE",
    "Archive",
    "BagFormat",
    "BagMessage",
    "FolderWriter",
    "Frame",
    "Happening",
    "Heading",
    "Journal",
    "JournalState",
    "Limits",
    "Piece",
    "Recorder",
    "State",
    "Topic",
    "complete_bag",
    "event_line",
    "head_line",
    "line",
    "read_lines",
    "transcript_line",
    "user_transcript_line",
    "user_utterance_line",
    "utterance_line",
]
