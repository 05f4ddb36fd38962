"""What /diagnostics says about recording."""

from __future__ import annotations

from dataclasses import dataclass

from personaplex_ros.node.health.growth import Growth
from personaplex_ros.node.hosts.messages import ERROR, OK, WARN, Status
from personaplex_ros.recording.journal import MB, JournalState


@dataclass(frozen=True)
class RecordingSnapshot:
    """What is recorded now; `dropped` frames, words and events were lost to a slow disk."""

    state: JournalState
    dropped: int


def recording_status(recording: RecordingSnapshot, growth: Growth) -> Status:
    """Return the status of the task "recording"."""
    state = recording.state
    values = [
        ("recording", str(state.folder is not None).lower()),
        ("consent", str(state.consent).lower()),
        ("folder", "" if state.folder is None else str(state.folder)),
        ("length", f"{state.seconds:.0f} s"),
        ("size", f"{state.size / MB:.1f} MB"),
        ("dropped", str(recording.dropped)),
        ("deleted recordings", str(state.deleted)),
        ("last problem", state.problem),
    ]
    dropped = growth.of("recording dropped", recording.dropped)
    if state.problem:
        return Status("recording", ERROR, state.problem, values)
    if dropped:
        lost = f"the disk is too slow: {dropped} frames, words and events were not recorded"
        return Status("recording", WARN, lost, values)
    if state.folder is not None:
        return Status("recording", OK, "recording", values)
    waits = "waits for a conversation" if state.consent else "waits for consent (~/record)"
    return Status("recording", OK, waits, values)
