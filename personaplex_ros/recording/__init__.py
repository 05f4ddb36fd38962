"""Recordings of conversations: folders that survive a killed process, a full disk and the years."""

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
from .lines import event_line, head_line, line, read_lines, transcript_line, utterance_line
from .reading import read_folder
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
    "read_folder",
    "read_lines",
    "transcript_line",
    "utterance_line",
]
