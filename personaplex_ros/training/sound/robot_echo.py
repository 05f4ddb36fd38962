"""The robot's own voice in a recording of a caller: it speaks, and the microphone hears it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from personaplex_ros.audio.echo import EchoCanceller, Processing
from personaplex_ros.training.chance import pick
from personaplex_ros.training.sound.augment import reverberate
from personaplex_ros.training.voices.speakers import AGENTS
from personaplex_ros.training.voices.speech import RATE
from personaplex_ros.training.voices.speech_bank import at_level

FRAME = 1920  # samples of a frame of 80 ms
CANCELLED_CHANCE = 0.75
CANCELLED_DB, RAW_DB = (-12, 10), (-40, -12)  # of what comes back, against what is played
DELAY_S = (0.02, 0.3)

Sound = NDArray[np.float32]


@dataclass(frozen=True)
class RobotEcho:
    """A loudspeaker and a room, and whether the node takes out what comes back."""

    gain: float
    delay_s: float
    room: int  # a seed
    cancelled: bool

    @staticmethod
    def draw(rng: np.random.Generator) -> RobotEcho:
        """Draw a robot in a room."""
        cancelled = bool(rng.random() < CANCELLED_CHANCE)
        gain = 10 ** (float(rng.uniform(*(CANCELLED_DB if cancelled else RAW_DB))) / 20)
        return RobotEcho(gain, float(rng.uniform(*DELAY_S)), int(rng.integers(2**31)), cancelled)

    def heard(self, microphone: Sound, played: Sound) -> Sound:
        """Return a microphone's samples [n], whole frames, while the robot plays others [n]."""
        delay = round(self.delay_s * RATE)
        back = self.gain * np.pad(np.tanh(2 * played) / 2, (delay, 0))[: len(played)]
        heard = microphone + reverberate(back.astype(np.float32), np.random.default_rng(self.room))
        heard = np.clip(heard, -1, 1).astype(np.float32)
        if not self.cancelled:
            return heard
        canceller = EchoCanceller(RATE, FRAME, Processing())
        clean = []
        for first in range(0, len(heard), FRAME):
            stamp_ns = (first + RATE) * 1_000_000_000 // RATE
            canceller.reference.played(played[first : first + FRAME], RATE, stamp_ns)
            clean.append(canceller.process(heard[first : first + FRAME], stamp_ns).for_model)
        return np.concatenate(clean)


def robot_speech(texts: list[str], least_s: float, rng: np.random.Generator) -> Sound:
    """Return a robot that speaks for so long at least: float32 [n]."""
    voice = AGENTS[pick(list(AGENTS), rng)]
    parts: list[Sound] = []
    while sum(map(len, parts)) < least_s * RATE:
        parts.append(at_level(voice.say(pick(texts, rng)).samples))
    return np.concatenate(parts)
