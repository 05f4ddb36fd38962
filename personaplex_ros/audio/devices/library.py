"""PortAudio's library and its sense of time."""

from __future__ import annotations

from typing import Any

from personaplex_ros.audio.framing import SECOND_NS

LONGEST_DELAY_S = 10.0
"""Beyond it a delay that a host interface tells is nonsense."""


class AudioDeviceError(RuntimeError):
    """A sound card cannot be used; the text says why and what to do."""


def load_library() -> Any:
    """Return the module sounddevice; AudioDeviceError names the remedy where that cannot be."""
    try:
        import sounddevice
    except ImportError as error:
        raise AudioDeviceError(
            "sound cards need the Python package 'sounddevice': pip install sounddevice"
        ) from error
    except OSError as error:
        raise AudioDeviceError(
            f"the PortAudio library is missing ({error}): sudo apt install libportaudio2"
        ) from error
    return sounddevice


def capture_stamp_ns(adc_s: float, current_s: float, wall_ns: int, frames: int, rate: int) -> int:
    """Map the converter's time of a block's first sample to the wall clock.

    adc_s and current_s are PortAudio's stream time of that sample and of the callback, wall_ns the
    wall clock in the callback. Some host interfaces leave adc_s at 0 or make up nonsense; then the
    block of `frames` samples is taken to have ended at the callback.
    """
    age_s = current_s - adc_s
    if adc_s <= 0.0 or not 0.0 <= age_s < LONGEST_DELAY_S:
        age_s = frames / rate
    return wall_ns - round(age_s * SECOND_NS)


def play_stamp_ns(dac_s: float, current_s: float, wall_ns: int, latency_s: float) -> int:
    """Map the converter's time of a block's first sample to the wall clock, for a loudspeaker.

    As `capture_stamp_ns`; where the host interface tells nonsense, the first sample is taken to be
    heard `latency_s`, what PortAudio expected when the card was opened, after the callback.
    """
    delay_s = dac_s - current_s
    if dac_s <= 0.0 or not 0.0 <= delay_s < LONGEST_DELAY_S:
        delay_s = latency_s
    return wall_ns + round(delay_s * SECOND_NS)
