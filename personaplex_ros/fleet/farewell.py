"""What a client of either protocol is told by the door itself, and not by its replica."""

from __future__ import annotations

import json
from typing import Any

from personaplex_ros.server.line import CLOSE_CODES, LONGEST_REASON
from personaplex_ros.server.moshi import protocol
from personaplex_ros.server.realtime.events import event
from personaplex_ros.server.realtime.talk import error_of
from personaplex_ros.server.refusal import Cause, Refusal

CHAT, REALTIME = "/api/chat", "/v1/realtime"

Sent = dict[str, Any]
"""A message of ASGI."""


def replica_lost(key: str | None) -> Refusal:
    """Return what is said when a replica is gone amid a conversation."""
    words = "the replica that held this conversation is gone; come again, another begins anew"
    if key is not None:
        words += f", and with resume={key} in the query it knows what was said"
    return Refusal(Cause.ENDING, words)


def told(path: str, refusal: Refusal) -> Sent:
    """Return the message that says why the door hangs up."""
    if path == CHAT:
        return {"type": "websocket.send", "bytes": protocol.error(refusal)}
    words = json.dumps(error_of(refusal.words, refusal.cause.value))
    return {"type": "websocket.send", "text": words}


def closed(refusal: Refusal) -> Sent:
    """Return the message that closes."""
    reason = refusal.words.encode()[:LONGEST_REASON].decode(errors="ignore")
    return {"type": "websocket.close", "code": CLOSE_CODES[refusal.cause], "reason": reason}


def begun_anew(path: str, remembers: str) -> Sent:
    """Return the message that says that it is a new conversation, and what its robot knows."""
    if path == CHAT:
        content: dict[str, object] = {"type": "begun_anew", "remembers": remembers}
        return {"type": "websocket.send", "bytes": protocol.metadata(content)}
    text = json.dumps(event("personaplex.begun_anew", remembers=remembers))
    return {"type": "websocket.send", "text": text}
