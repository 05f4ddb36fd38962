"""What happens to a voice between mouth and model: room, noise, others, colour, another rate."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import soxr
from numpy.typing import NDArray
from scipy.signal import fftconvolve, firwin2, lfilter

from personaplex_ros.training.voices.speech import RATE

COLOUR_HZ = 125.0 * 2.0 ** np.arange(7)  # where a response is drawn, to 8 kHz
COLOUR_TAPS = 257  # 10 ms, which resolve 100 Hz
TILT_DB, RIPPLE_DB, COLOUR_DB = 4.0, 3.0, 12.0  # an octave, around that, and at most


def reverberate(samples: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Put samples [n] into a random small room; returns [n].

    The room is direct sound and a tail of exponentially decaying noise (Moorer 1979), 10 to 25 dB
    below it, with a reverberation time of 0.1 to 0.5 s.
    """
    seconds = rng.uniform(0.1, 0.5)
    time = np.arange(int(seconds * RATE)) / RATE
    tail = rng.standard_normal(len(time)) * 10 ** (-3 * time / seconds)
    tail[: int(rng.uniform(0.001, 0.008) * RATE)] = 0
    tail *= 10 ** (rng.uniform(-25, -10) / 20) / np.sqrt(np.square(tail).sum())
    tail[0] = 1
    return fftconvolve(samples, tail)[: len(samples)].astype(np.float32)


def coloured_noise(count: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return first-order autoregressive noise [count] of RMS 1, from white to a dull rumble."""
    memory = rng.uniform(0, 0.98)
    white = rng.standard_normal(count, np.float32)
    noise = lfilter([1.0], [1.0, -memory], white)
    return (noise * np.sqrt(1 - memory**2)).astype(np.float32)


def through_rate(samples: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
    """Pass samples [n] through another sampling rate, as a cheap microphone would; returns [n]."""
    there = soxr.resample(samples, RATE, rate)
    back = soxr.resample(there, rate, RATE)
    return np.pad(back, (0, max(0, len(samples) - len(back))))[: len(samples)].astype(np.float32)


def coloured(samples: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Give samples [n] another timbre, as microphones, rooms and loudspeakers do; returns [n].

    It rises or falls steadily from octave to octave, with ripples; it is as loud as before (RMS).
    """
    octaves = np.log2(COLOUR_HZ / 1000)
    gains = rng.uniform(-TILT_DB, TILT_DB) * octaves
    gains += RIPPLE_DB * rng.standard_normal(len(octaves))
    gains = np.clip(gains, -COLOUR_DB, COLOUR_DB)
    points = np.array([0.0, *COLOUR_HZ, RATE / 2])
    response = 10 ** (np.array([gains[0], *gains, gains[-1]]) / 20)
    taps = firwin2(COLOUR_TAPS, points, response, fs=RATE).astype(np.float32)
    heard = fftconvolve(samples, taps, "same")
    before, after = np.square(samples).mean(), np.square(heard).mean()
    return (heard * np.sqrt(before / max(after, 1e-12))).astype(np.float32)


def placed(clips: Sequence[tuple[float, NDArray[np.float32]]], count: int) -> NDArray[np.float32]:
    """Return clips (start in seconds, samples) one upon the other in ``count`` samples."""
    wave = np.zeros(count, np.float32)
    for start_s, samples in clips:
        start = round(start_s * RATE)
        part = samples[: max(0, count - start)]
        wave[start : start + len(part)] += part
    return wave
