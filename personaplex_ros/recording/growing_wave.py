"""A wave file of which every state on the disk is a whole wave file."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from personaplex_ros.audio import float32_to_int16

from .growing_file import GrowingFile

HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")


class GrowingWave:
    """A 16-bit WAV file; its header tells the length after every `write`. For one thread.

    The samples are written before the header that counts them, so a process that is killed between
    the two leaves a file without the last block, and one whose disk is full the same.
    """

    def __init__(self, path: Path, rate: int, channels: int) -> None:
        self.rate = rate
        self.samples = 0  # per channel
        self._channels = channels
        self._file = GrowingFile(path)
        try:
            self._file.write(self._header())
        except OSError:
            self._file.close()
            raise

    @property
    def size(self) -> int:
        """Length of the file in bytes."""
        return self._file.size

    def write(self, samples: NDArray[np.float32]) -> None:
        """Append float32 [n, channels] of full scale 1.0; what is beyond it is clipped."""
        self._file.write(float32_to_int16(samples).tobytes())
        self.samples += len(samples)
        self._file.patch(0, self._header())

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _header(self) -> bytes:
        block = 2 * self._channels  # bytes of one sample of all channels
        data = block * self.samples
        return HEADER.pack(
            b"RIFF",
            HEADER.size - 8 + data,
            b"WAVE",
            b"fmt ",
            16,
            1,
            self._channels,
            self.rate,
            self.rate * block,
            block,
            16,
            b"data",
            data,
        )
