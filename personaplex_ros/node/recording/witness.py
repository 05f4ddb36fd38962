"""What the node lets a recorder see of a conversation, and who may switch it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from personaplex_ros.node.health.recording import RecordingSnapshot
from personaplex_ros.node.hosts.bus import Bus
from personaplex_ros.node.parameters.definition import OFF, ParameterError
from personaplex_ros.node.parameters.table import Parameters
from personaplex_ros.node.recording.bag_format import RosBag
from personaplex_ros.node.recording.topic import RecordingTopic
from personaplex_ros.node.state_topics import TurnState
from personaplex_ros.recording import Archive, Heading, Journal, Limits, Piece, Recorder, State
from personaplex_ros.recording.journal import MB
from personaplex_ros.turns import TurnEvent, UserUtterance, Utterance

DISK_TIMEOUT_S = 5.0
"""How long ~/record waits for the disk."""


def recordings(parameters: Parameters) -> Archive | None:
    """Return the folder of recordings, None if there are to be none.

    Raises ParameterError, before anything is loaded, if nothing can be written there.
    """
    if parameters.record == OFF:
        return None
    archive = Archive(Path(parameters.record).expanduser())
    try:
        archive.check()
    except OSError as error:
        raise ParameterError(f"record is {parameters.record!r}: {error}") from error
    return archive


class Witness:
    """Records what one thread tells it of a conversation, and holds that thread up nowhere."""

    def __init__(
        self,
        bus: Bus,
        archive: Archive,
        parameters: Parameters,
        rate: int,
        title: str,
        topic: RecordingTopic,
    ) -> None:
        """Begin to wait for frames; what a killed process left is completed first."""
        self._topic = topic
        self._state = State()
        self._complete(bus, archive, parameters.record_reserve_mb * MB)
        limits = Limits(
            split_s=parameters.record_split_s,
            split=parameters.record_split_mb * MB,
            total=parameters.record_limit_mb * MB,
            reserve=parameters.record_reserve_mb * MB,
        )
        journal = Journal(
            archive,
            limits,
            Heading(bus.node_name.strip("/").replace("/", "_"), rate, title),
            RosBag(rate, parameters.frame_id, bus.topic_name),
            ask=parameters.record_consent == "ask",
            tell=bus.log,
        )
        self._recorder = Recorder(journal, topic.set)

    def snapshot(self) -> RecordingSnapshot:
        """Return what diagnostics tell."""
        return RecordingSnapshot(self._recorder.state, self._recorder.dropped)

    def frame(
        self, stamp_ns: int, heard: npt.NDArray[np.float32], said: npt.NDArray[np.float32]
    ) -> None:
        """Take one frame of both sides, which nobody changes any more."""
        self._recorder.frame(stamp_ns, heard, said)

    def text(self, *, stamp_ns: int, frame: int, token: int, text: str) -> None:
        """Take a piece of the robot's text."""
        self._recorder.happened(Piece(stamp_ns, frame, token, text))

    def event(self, event: TurnEvent) -> None:
        """Take a turn event."""
        self._recorder.happened(event)

    def utterance(self, utterance: Utterance) -> None:
        """Take what the robot said."""
        self._recorder.happened(utterance)

    def user_utterance(self, heard: UserUtterance) -> None:
        """Take what the person has said so far, or all of it."""
        self._recorder.happened(heard)

    def turns(self, turns: TurnState) -> None:
        """Take who speaks after a frame."""
        state = State(turns.user_speaking, turns.robot_speaking, turns.engaged, turns.hold)
        if state != self._state:
            self._state = state
            self._recorder.happened(state)

    def speaks_as(self, persona: str) -> None:
        """Call the recordings that begin from here on by another persona."""
        self._recorder.called(persona)

    def ended(self, why: str, *, next: bool) -> None:
        """End the recording: `next` if another conversation begins, else it pauses."""
        self._recorder.ended(why, next=next)

    def allow(self, given: bool) -> str:
        """Take or withdraw consent; return what to answer, raises RuntimeError if it fails."""
        before = self._recorder.state.folder
        state = self._recorder.allow(given, DISK_TIMEOUT_S)
        if not given:
            where = "" if before is None else f"; what was recorded stays in {before}"
            return f"nothing is recorded any more{where}"
        if state.problem:
            raise RuntimeError(state.problem)
        return "the conversation is recorded from now on"

    def close(self) -> None:
        """End the recording and say so."""
        self._recorder.close()
        self._topic.set(False)

    def _complete(self, bus: Bus, archive: Archive, reserve: int) -> None:
        for recording, problem in archive.complete_bags(reserve):
            if problem:
                bus.log("warn", f"the bag of {recording} could not be completed: {problem}")
            else:
                bus.log("info", f"completed the bag of {recording}, whose process was killed")
