"""What a client may take of the server; docs/server.md states each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bounds of connections and conversations; times in seconds.

    connections: open at once, others are turned away. request_line_bytes: path and query.
    prompt_characters: of a text prompt. message_bytes: of one message of a client.
    messages_a_second: of one client, with as many at once.
    request_s: from a connection's begin to its request. opening_s: for a persona to be prepared.
    idle_s: without any audio of the client. alive_s: between two signs that it still reads.
    resume_s: for which a conversation whose connection broke is kept.
    silence_after_s: without audio, after which silence stands in for it. catch_up_s: audio that may
    be made up for at once after it was late. burst_s: audio that may wait because it came ahead of
    time. backlog_s: audio that may wait beyond that; of more, the oldest is dropped. ahead_s: by
    which a client may be faster than real time.
    undecoded_bytes: of audio that waits to be decoded, in whatever packets.
    unsent_s: speech that waits for a client that reads slowly; of more, the oldest is dropped.
    unsent_outputs: speech, words and events that wait.
    """

    connections: int = 256
    request_line_bytes: int = 32 << 10
    prompt_characters: int = 16_000
    message_bytes: int = 64 << 10
    messages_a_second: int = 400
    request_s: float = 10.0
    opening_s: float = 60.0
    idle_s: float = 60.0
    alive_s: float = 10.0
    resume_s: float = 20.0
    silence_after_s: float = 0.5
    catch_up_s: float = 1.0
    backlog_s: float = 0.32
    burst_s: float = 0.0
    ahead_s: float = 10.0
    undecoded_bytes: int = 1 << 20
    unsent_s: float = 2.0
    unsent_outputs: int = 500
