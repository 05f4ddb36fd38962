"""Messages of the protocol: binary, the first byte is the kind."""

from __future__ import annotations

import json

from personaplex_ros.server.conversation.outputs import Words
from personaplex_ros.server.refusal import Refusal
from personaplex_ros.turns import TurnEvent, Utterance
from personaplex_ros.wire.kinds import Kind

HANDSHAKE = bytes([Kind.HANDSHAKE])
"""One byte, as from the servers in Python. Rust's adds two numbers, which no client reads."""


def audio(pages: bytes) -> bytes:
    """Return a message with pages of Ogg-Opus."""
    return bytes([Kind.AUDIO]) + pages


def text(words: Words) -> bytes:
    """Return a message with a piece of a word."""
    return bytes([Kind.TEXT]) + words.piece.encode()


def error(refusal: Refusal) -> bytes:
    """Return a message that says why."""
    return bytes([Kind.ERROR]) + refusal.words.encode()


def metadata(content: dict[str, object]) -> bytes:
    """Return a message with an object as JSON."""
    return bytes([Kind.METADATA]) + json.dumps(content, ensure_ascii=False).encode()


def turn_event(event: TurnEvent) -> bytes:
    """Return a message with a turn event; its times are seconds of the conversation."""
    return metadata(
        {
            "type": "turn_event",
            "event": event.kind,
            "onset_s": event.onset_ns / 1e9,
            "decided_s": event.decided_ns / 1e9,
            "confidence": round(event.confidence, 3),
            "episode": event.episode,
            "state": event.state,
            "revises": event.revises,
        }
    )


def utterance(said: Utterance) -> bytes:
    """Return a message with what the robot said in one go."""
    return metadata(
        {
            "type": "utterance",
            "text": said.text,
            "start_s": said.start_ns / 1e9,
            "end_s": said.end_ns / 1e9,
            "interrupted": said.interrupted,
        }
    )
