"""Speech, rooms and frames for the tests of echo cancellation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

RATE, FRAME = 24_000, 1_920
SPEECH = Path(__file__).resolve().parent / "data" / "speech.flac"  # of espeak-ng, in a room


def speech(seconds: float) -> np.ndarray:
    """Return somebody's speech, without long pauses."""
    samples, rate = soundfile.read(SPEECH, dtype="float32")
    assert rate == RATE
    return np.tile(samples, int(seconds * RATE / len(samples)) + 1)[: round(seconds * RATE)]


def room(seconds: float, seed: int = 0) -> np.ndarray:
    """Return a response of a direct sound and a reverberation that decays by 60 dB."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * RATE)) / RATE
    response = 0.05 * rng.standard_normal(len(time)) * 10 ** (-3 * time / seconds)
    response[0] = 1.0
    return response


def echo_of(played: np.ndarray, delay_s: float, drift_ppm: float = 0.0, rt60_s: float = 0.3):
    """Return what a microphone hears of a loudspeaker that distorts."""
    size = 2 * len(played)
    sound = np.tanh(1.5 * played) / 1.5
    if drift_ppm:
        time = np.arange(len(played)) * (1.0 + drift_ppm * 1e-6)
        sound = np.interp(time, np.arange(len(played)), sound)
    spectrum = np.fft.rfft(sound, size) * np.fft.rfft(room(rt60_s), size)
    heard = np.fft.irfft(spectrum, size)[: len(played)]
    return np.pad(heard, (round(delay_s * RATE), 0))[: len(played)].astype(np.float32)


def frames(*streams: np.ndarray):
    for first in range(0, len(streams[0]) - FRAME + 1, FRAME):
        yield (first, *(stream[first : first + FRAME] for stream in streams))


def decibels(ratio: float) -> float:
    return 10.0 * float(np.log10(max(ratio, 1e-12)))
