"""The topics on which a conversation speaks."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Protocol

import numpy as np
import numpy.typing as npt

from personaplex_ros.node.conversation_messages import MessageFactory
from personaplex_ros.node.health.cards import CardSnapshot
from personaplex_ros.node.hosts.bus import LATCHED, RELIABLE, Bus
from personaplex_ros.node.recording.witness import Witness
from personaplex_ros.node.sound.human_voices import HumanVoices
from personaplex_ros.node.sound.types import AUDIO_DATA, AUDIO_DATA_STAMPED, AUDIO_INFO
from personaplex_ros.node.sound.writing import AudioWriter, audio_info
from personaplex_ros.node.state_topics import TurnState
from personaplex_ros.turns import TurnEvent, UserUtterance, Utterance


class AudioSink(Protocol):
    """A sound card or a file that also plays the robot's speech."""

    @property
    def problem(self) -> str:
        """Why it takes no more speech; empty while it does."""

    @property
    def card(self) -> CardSnapshot | None:
        """What is known of the sound card, if it is one."""

    def write(self, samples: npt.NDArray[np.float32]) -> None:
        """Take float32 samples [n]; never blocks."""

    def close(self) -> None:
        """Stop and free it."""


class Outputs:
    """Publishers of audio_out, text, the transcripts and turn_event; call from one thread."""

    def __init__(
        self,
        bus: Bus,
        *,
        audio_type: str,
        rate: int,
        frame_id: str,
        sink: AudioSink | None,
        voices: HumanVoices | None = None,
        witness: Witness | None = None,
        user_transcript: bool = False,
    ) -> None:
        """Open the topics; raises LookupError when a message type is not installed."""
        self._factory = MessageFactory(bus, frame_id)
        self._writer = AudioWriter(bus, audio_type, rate, frame_id)
        self._sink = sink
        self._voices = voices
        self._witness = witness
        self._first_sample = 0
        self._open = ExitStack()
        self._audio = bus.advertise("audio_out", audio_type, RELIABLE)
        self._text = bus.advertise("text", "personaplex_ros/msg/TextToken", RELIABLE)
        self._transcript = bus.advertise("transcript", "personaplex_ros/msg/Utterance", RELIABLE)
        self._events = bus.advertise("turn_event", "personaplex_ros/msg/TurnEvent", RELIABLE)
        self._user_transcript = None
        if user_transcript:
            kind = "personaplex_ros/msg/UserUtterance"
            self._user_transcript = bus.advertise("user_transcript", kind, RELIABLE)
            self._open.callback(self._user_transcript.close)
        for publisher in (self._audio, self._text, self._transcript, self._events):
            self._open.callback(publisher.close)
        if audio_type in (AUDIO_DATA, AUDIO_DATA_STAMPED):
            info = bus.advertise("audio_out_info", AUDIO_INFO, LATCHED)
            self._open.callback(info.close)
            info.publish(audio_info(bus.message(AUDIO_INFO), rate))

    def speech(self, samples: npt.NDArray[np.float32], stamp_ns: int) -> None:
        """Send one frame of speech that is to be heard from `stamp_ns` on."""
        self._audio.publish(self._writer.message(samples, self._first_sample, stamp_ns))
        self._first_sample += samples.size
        if self._sink is not None:
            self._sink.write(samples)

    def heard(self, samples: npt.NDArray[np.float32]) -> None:
        """Pass one frame of the microphone on to where people's voices are published."""
        if self._voices is not None:
            self._voices.heard(samples)

    def exchanged(
        self,
        stamp_ns: int,
        heard: npt.NDArray[np.float32],
        said: npt.NDArray[np.float32],
    ) -> None:
        """Record one frame of both sides, as the model heard it and as it was sent.

        It is captured from `stamp_ns` on; nobody may change the samples any more.
        """
        if self._witness is not None:
            self._witness.frame(stamp_ns, heard, said)

    def text(self, *, stamp_ns: int, frame: int, token: int, text: str) -> None:
        """Send one token that is not silent."""
        self._text.publish(
            self._factory.text_token(stamp_ns=stamp_ns, frame=frame, token=token, text=text)
        )
        if self._witness is not None:
            self._witness.text(stamp_ns=stamp_ns, frame=frame, token=token, text=text)

    def utterance(self, utterance: Utterance) -> None:
        """Send what the robot said between two silences."""
        self._transcript.publish(self._factory.utterance(utterance))
        if self._witness is not None:
            self._witness.utterance(utterance)

    def user_utterance(self, heard: UserUtterance) -> None:
        """Send what the person has said so far, or all of it."""
        if self._user_transcript is not None:
            self._user_transcript.publish(self._factory.user_utterance(heard))
            if self._witness is not None:
                self._witness.user_utterance(heard)

    def event(self, event: TurnEvent) -> None:
        """Send one turn event."""
        self._events.publish(self._factory.turn_event(event))
        if self._witness is not None:
            self._witness.event(event)

    def turns(self, state: TurnState) -> None:
        """Record who speaks after a frame; the topics of that are not here."""
        if self._witness is not None:
            self._witness.turns(state)

    def speaks_as(self, persona: str) -> None:
        """Let recordings that begin from here on be of another persona."""
        if self._witness is not None:
            self._witness.speaks_as(persona)

    def ended(self, why: str, *, next: bool) -> None:
        """Let the recording end here: `next` if another conversation begins, else it pauses."""
        if self._witness is not None:
            self._witness.ended(why, next=next)

    def close(self) -> None:
        """Close the topics."""
        self._open.close()
