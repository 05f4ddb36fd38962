"""Simulated rooms for the echo benchmark: loudspeaker, delay, drift, reverberation, microphone.

Echo, person and noise are simulated apart and added, so that each is known exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyroomacoustics
import soxr
from numpy.typing import NDArray
from scipy.signal import fftconvolve

RATE = 24_000
SIZE_M = (6.0, 4.5, 3.0)
MICROPHONE_M = (3.0, 2.0, 1.2)
LOUDSPEAKER_M = (3.0, 2.25, 1.0)  # in the same robot
PERSON_M = (4.2, 2.6, 1.6)
NOISE_DBFS = -66.0
DRIVE = 1.5  # of the loudspeaker: a sample of 0.5 comes out 1.5 dB too small, one of 1 by 4.4 dB

Sound = NDArray[np.float32]


@dataclass(frozen=True)
class Room:
    """Reverberation, and how the robot's sound comes back.

    rt60_s: time in which sound decays by 60 dB. delay_s: from the time at which a sample is said to
    be played to that at which it leaves the loudspeaker. drift_ppm: how much faster the
    loudspeaker's clock runs than the microphone's. echo_db: level of the echo against a person's at
    the microphone.
    """

    rt60_s: float = 0.5
    delay_s: float = 0.1
    drift_ppm: float = 0.0
    echo_db: float = 0.0

    @property
    def name(self) -> str:
        """Return the figures in short."""
        return (
            f"RT60 {self.rt60_s:g} s, delay {1e3 * self.delay_s:g} ms, "
            f"drift {self.drift_ppm:+g} ppm, echo {self.echo_db:+g} dB"
        )


class Acoustics:
    """The two ways to the microphone in a room of a given reverberation, by image sources."""

    def __init__(self, rt60_s: float) -> None:
        absorption, order = pyroomacoustics.inverse_sabine(rt60_s, SIZE_M)
        room = pyroomacoustics.ShoeBox(
            SIZE_M, fs=RATE, materials=pyroomacoustics.Material(absorption),
            max_order=min(order, 40),
        )  # fmt: skip
        room.add_source(LOUDSPEAKER_M)
        room.add_source(PERSON_M)
        room.add_microphone(MICROPHONE_M)
        room.compute_rir()
        self.echo, self.person = (
            (rir / np.sqrt(np.sum(rir**2))).astype(np.float32) for rir in room.rir[0]
        )

    @property
    def flight_s(self) -> float:
        """Return when the first sound of the loudspeaker reaches the microphone."""
        return float(np.argmax(np.abs(self.echo))) / RATE


def played(robot: Sound, room: Room) -> Sound:
    """Return what leaves the loudspeaker on the microphone's time axis, as long as `robot`."""
    drifted = robot
    if room.drift_ppm:
        ratio = 1.0 - room.drift_ppm * 1e-6
        drifted = soxr.resample(robot, 1.0, ratio, quality="VHQ")
    late = np.pad(drifted, (round(room.delay_s * RATE), 0))[: len(robot)]
    late = np.pad(late, (0, len(robot) - len(late)))
    return (np.tanh(DRIVE * late) / DRIVE).astype(np.float32)


def echo_of(robot: Sound, room: Room, acoustics: Acoustics, level: float) -> Sound:
    """Return the echo at the microphone; `level` is the RMS of a person's speech there.

    `room.echo_db` compares the echo of sounding speech with it.
    """
    heard = fftconvolve(played(robot, room), acoustics.echo)[: len(robot)]
    gain = level * 10 ** (room.echo_db / 20) / sounding_rms(heard)
    return (gain * heard).astype(np.float32)


def person_at(speech: Sound, acoustics: Acoustics, level: float) -> Sound:
    """Return a person's speech at the microphone, its sounding parts at RMS `level`."""
    direct = int(np.argmax(np.abs(acoustics.person)))
    heard = fftconvolve(speech, acoustics.person[direct:])[: len(speech)]
    return (level / sounding_rms(heard) * heard).astype(np.float32)


def noise(count: int, rng: np.random.Generator) -> Sound:
    """Return the noise of microphone and room."""
    return (10 ** (NOISE_DBFS / 20) * rng.standard_normal(count)).astype(np.float32)


def sounding_rms(samples: Sound) -> float:
    """Return the RMS of the 20 ms windows that lie within 25 dB of the loudest tenth of them."""
    windows = samples[: len(samples) // 480 * 480].reshape(-1, 480)
    powers = np.mean(np.square(windows, dtype=np.float64), axis=1)
    loud = np.quantile(powers, 0.9)
    return float(np.sqrt(np.mean(powers[powers > loud * 10**-2.5])))


def microphone(*parts: Sound) -> Sound:
    """Return the sum, clipped and rounded as a 16-bit converter does."""
    total = np.sum(parts, axis=0)
    return (np.rint(np.clip(total, -1.0, 32767 / 32768) * 32768) / 32768).astype(np.float32)
