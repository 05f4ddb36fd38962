"""How a protocol has its sound, where that takes work: done by the conversation's own thread."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class Codec(Protocol):
    """Codes the sound of one conversation, in both directions; for one thread.

    head: what whoever decodes has to have first.
    """

    head: bytes

    def encode(self, samples: NDArray[np.float32]) -> list[bytes]:
        """Return packets of the robot's samples float32 [n] in [-1, 1]."""

    def decode(self, packet: Any) -> NDArray[np.float32]:
        """Return the samples float32 [n] of a client's packet; raises Refusal for a wrong one."""
