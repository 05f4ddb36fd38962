"""Sound in events of a client: base64 of 16-bit samples."""

from __future__ import annotations

import base64

import numpy as np
from numpy.typing import NDArray

from personaplex_ros.audio import int16_to_float32
from personaplex_ros.server.realtime.invalid import Invalid
from personaplex_ros.server.realtime.settings import text

Samples = NDArray[np.float32]


def decoded(audio: object, param: str) -> Samples:
    """Return samples float32 [n] of a client's `audio`; raises Invalid for what is none."""
    try:
        sound = base64.b64decode(text(audio, param), validate=True)
    except ValueError as error:  # of characters, too, that are not ASCII
        raise Invalid(f"{param} is no base64: {error}", param) from error
    if len(sound) % 2:
        raise Invalid(f"{param} has {len(sound)} bytes; samples of 16 bits have two each", param)
    return int16_to_float32(np.frombuffer(sound, "<i2").astype(np.int16))
