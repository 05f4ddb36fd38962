"""Messages of the protocol: binary, the first byte is the kind."""

from __future__ import annotations

from enum import IntEnum


class Kind(IntEnum):
    """What a message is; others are passed over.

    HANDSHAKE: the persona is ready, audio may come. AUDIO: pages of Ogg-Opus, mono. TEXT: a piece
    of a word in UTF-8. METADATA: an object as JSON. ERROR: why, in words.
    """

    HANDSHAKE = 0
    AUDIO = 1
    TEXT = 2
    CONTROL = 3
    METADATA = 4
    ERROR = 5
    PING = 6
