"""The robot's own voice on its way through a node: found, taken out, and lowered if need be."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from personaplex_ros.audio.echo import EchoCanceller, EchoFrame, Processing
from personaplex_ros.audio.fader import Fader
from personaplex_ros.node.health.echo import DUPLEX, REMEDY, EchoSnapshot
from personaplex_ros.node.hosts.bus import Bus
from personaplex_ros.node.parameters.definition import OFF
from personaplex_ros.node.parameters.table import Parameters
from personaplex_ros.turns import Duplex, EchoReport

DUCKED_GAIN = 0.35
"""9 dB softer."""
DUCK_S = 0.2

Sound = NDArray[np.float32]


class OwnEcho:
    """Cancels the echo as the parameters say; for the model's thread, except `played_by_card`.

    Where the library is missing it says so once and goes on with what needs none. Made when the
    node is configured, so that what was learnt of the room outlasts a pause and a conversation.
    """

    def __init__(self, bus: Bus, rate: int, frame_size: int, parameters: Parameters) -> None:
        self._bus = bus
        self._rate = rate
        self.silence: Sound = np.zeros(frame_size, np.float32)
        self._by_card = parameters.audio_sink.partition(":")[0] == "device"
        self._canceller = EchoCanceller(rate, frame_size, None)
        self._fader = Fader(rate)
        self._duplex = Duplex.FULL
        self._told = False
        self._asked: Processing | None = None
        self.played_by_card = self._canceller.reference.played
        self.adopt(parameters)

    def adopt(self, parameters: Parameters) -> None:
        """Process from the next frame on as the parameters say."""
        asked = processing_of(parameters)
        if asked == self._asked:
            return
        self._asked = asked
        self._canceller.set_processing(asked)
        missing = self._canceller.missing
        if missing and not self._told:
            self._told = True
            self._bus.log(
                "warn", "the robot's echo is subtracted, but what is left of it is not suppressed "
                f"({missing}); or echo_cancellation: off where the microphone does it"
            )  # fmt: skip

    def hear(self, samples: Sound, stamp_ns: int) -> EchoFrame:
        """Take a frame of the microphone; return it with and without the robot's voice."""
        return self._canceller.process(samples, stamp_ns)

    def speak(self, samples: Sound, stamp_ns: int, duplex: Duplex) -> None:
        """Note what is to be heard from `stamp_ns` on; it is softer if the robot hears itself."""
        if duplex is not self._duplex:
            self._change(duplex)
        self._fader.apply(samples)
        if not self._by_card:
            self._canceller.reference.played(samples.copy(), self._rate, stamp_ns)

    def snapshot(self, report: EchoReport) -> EchoSnapshot:
        """Return what is known; from any thread."""
        canceller = self._canceller
        return EchoSnapshot(canceller.cancelling, canceller.missing, canceller.path, report)

    def _change(self, duplex: Duplex) -> None:
        self._duplex = duplex
        self._fader.fade(1.0 if duplex is Duplex.FULL else DUCKED_GAIN, DUCK_S)
        if duplex is Duplex.FULL:
            self._bus.log("info", "echo: the robot hears itself no longer, it listens as before")
        else:
            self._bus.log("warn", f"echo: {DUPLEX[duplex]}; {REMEDY}{self._setting()}")

    def _setting(self) -> str:
        if self._canceller.missing:
            return f"; or suppress what is left of it: {self._canceller.missing}"
        return "" if self._canceller.cancelling else "; or cancel it here: echo_cancellation: auto"


def processing_of(parameters: Parameters) -> Processing | None:
    """Return what is to be done to the microphone; None where nothing is."""
    if parameters.echo_cancellation == OFF:
        return None
    return Processing(
        noise_suppression=parameters.noise_suppression,
        high_pass=parameters.high_pass,
        gain_control=parameters.gain_control,
    )
