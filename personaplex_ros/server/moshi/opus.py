"""Ogg-Opus as a stream, in both directions."""

from __future__ import annotations

import numpy as np
import sphn
from numpy.typing import NDArray

from personaplex_ros.server.refusal import Cause, Refusal

SLICE = 1 << 10
"""Bytes that are decoded at once, so that no message holds up the others for long."""
LARGEST_PACKET = 64 << 10
"""Bytes without any audio in them, after which no more is waited for."""

Sound = NDArray[np.float32]


class OpusReader:
    """Decodes what a client sends, of any rate, to mono at `rate`."""

    def __init__(self, rate: int) -> None:
        self._reader = sphn.OpusStreamReader(rate)
        self._silent_bytes = 0

    def read(self, pages: bytes) -> list[Sound]:
        """Return the samples float32 [n] that are complete with these bytes.

        Raises Refusal for what is no Ogg-Opus.
        """
        sounds = []
        for begin in range(0, len(pages), SLICE):
            part = pages[begin : begin + SLICE]
            try:
                samples = self._reader.append_bytes(part)
            except ValueError as error:
                words = f"the audio is no Ogg-Opus ({error}); send pages of one stream, in order"
                raise Refusal(Cause.BAD, words) from error
            self._silent_bytes = 0 if len(samples) else self._silent_bytes + len(part)
            if self._silent_bytes > LARGEST_PACKET:
                words = f"{self._silent_bytes} bytes of Ogg hold no audio; send Opus, mono"
                raise Refusal(Cause.BAD, words)
            if len(samples):
                sounds.append(samples)
        return sounds


class OpusWriter:
    """Encodes mono at `rate`; the first pages are the stream's head."""

    def __init__(self, rate: int) -> None:
        self._writer = sphn.OpusStreamWriter(rate)

    def write(self, samples: Sound) -> bytes:
        """Return the pages that are complete with these samples float32 [n]."""
        return bytes(self._writer.append_pcm(samples))
