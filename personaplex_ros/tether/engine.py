"""A server with which the node talks in place of a model of its own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from personaplex_ros.conversing import Sampling, Startup
from personaplex_ros.persona import Persona
from personaplex_ros.tether.address import Address
from personaplex_ros.tether.jitter import JitterBuffer
from personaplex_ros.tether.link import Link
from personaplex_ros.tether.opening import Opening, check_voice
from personaplex_ros.tether.session import CANNOT_SAY, TetherSession

RATE, FRAME = 24_000, 1_920
"""Of the protocol: samples a second, and a frame of 80 ms."""
FIRST_S = 10.0
"""For which a conversation that begins is waited for, so that a refusal is known at once."""


@dataclass(frozen=True)
class Tether:
    """What is done about a line that is irregular, or breaks.

    delay_max_s: the longest that speech waits so that it comes evenly. lost_after_s: for how long
    the model may be out of reach until it is lost. announcement: float32 [n] at 24 kHz, said then.
    """

    delay_max_s: float = 0.5
    lost_after_s: float = 2.0
    announcement: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class RemotePersona:
    """A persona as the server is asked for it; what of it cannot be read is known there only."""

    persona: Persona
    left_out: str = ""


class TetherEngine:
    """Has the interface of an engine; every conversation has a connection of its own."""

    sample_rate, frame_size = RATE, FRAME
    context_frames, long_conversation = 0, ""
    memory_bytes = None
    admitted = ""

    def __init__(self, address: Address, tether: Tether) -> None:
        self._address, self._tether = address, tether
        self.device = address.text
        self.startup = Startup()

    def prepare(self, persona: Persona) -> RemotePersona:
        """Return what the server is to be asked for.

        Raises ValueError for a voice that is a file of this machine.
        """
        check_voice(persona)
        return RemotePersona(persona)

    def check_text(self, text: str) -> None:
        """Raise ValueError: a model elsewhere cannot be given a sentence."""
        raise ValueError(CANNOT_SAY)

    def open(
        self, persona: RemotePersona, sampling: Sampling | None = None, seed: int = 0
    ) -> TetherSession:
        """Begin a conversation; raises RuntimeError where the server refuses it.

        Where it cannot be reached, it is tried on while the session is used.
        """
        opening = Opening(persona.persona, sampling or Sampling(), seed)
        jitter = JitterBuffer(RATE, FRAME, self._tether.delay_max_s)
        link = Link(self._address, opening, jitter, RATE, self._tether.lost_after_s)
        announcement = self._tether.announcement
        session = TetherSession(
            link,
            jitter,
            opening,
            FRAME,
            FRAME / RATE,
            np.zeros(0, np.float32) if announcement is None else announcement,
        )
        try:
            session.expect_begun(FIRST_S)
        except BaseException:
            session.close()
            raise
        return session
