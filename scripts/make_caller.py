#!/usr/bin/env python3
"""Make the demo's recorded caller: config/demo/caller.wav and its truth, caller.json.

Needs the program espeak-ng (``apt-get install espeak-ng``) and the packages numpy, soxr,
pyloudnorm and soundfile. The results are committed, so only who changes the script has to run it.
All speech is synthetic; the noise and the room come from a fixed seed, so that the same espeak-ng
gives the same files.
"""

from __future__ import annotations

import argparse
import io
import json
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyloudnorm
import soundfile
import soxr

RATE = 24_000
LOUDNESS_LUFS = -24.0
FLOOR_DBFS = -62.0  # RMS of the room noise: what a quiet office leaves in a close microphone
REVERBERATION_S = 0.35  # RT60 of a small furnished room
REVERBERATION_DB = -17.0  # energy of the room's tail below the direct sound
SEED = 20


@dataclass(frozen=True)
class Line:
    """What the caller says: text, when it begins, what kind of turn it is, and how it is spoken."""

    text: str
    at_s: float
    kind: str
    words_per_minute: int = 165
    gain_db: float = 0.0


@dataclass(frozen=True)
class Turn:
    """One entry of the truth: acoustic start and end in seconds of the file."""

    text: str
    start_s: float
    end_s: float
    kind: str


DURATION_S = 24.0
SCRIPT = (
    Line("Hello, where is the meeting room please?", 1.0, "question"),
    # Four seconds into the robot's time to answer: it should be in the middle of a sentence.
    Line("Sorry, wait, when do you close?", 7.5, "interruption", 180),
    Line("Okay.", 13.6, "backchannel", 190, -4.0),
    Line("Great, thank you very much. Goodbye!", 18.0, "goodbye"),
)


def speak(line: Line, voice: str) -> np.ndarray:
    """Return the line as float32 [n] at 24 kHz, cut to where it can be heard."""
    command = ["espeak-ng", "-v", voice, "-s", str(line.words_per_minute), "--stdout", line.text]
    output = subprocess.run(command, check=True, capture_output=True).stdout
    samples, rate = soundfile.read(io.BytesIO(output), dtype="float32")
    samples = soxr.resample(samples, rate, RATE)
    audible = np.flatnonzero(np.abs(samples) > 0.02 * np.abs(samples).max())  # 34 dB below its peak
    return samples[audible[0] : audible[-1] + 1] * 10 ** (line.gain_db / 20)


def room_response(generator: np.random.Generator) -> np.ndarray:
    """Return a synthetic room's impulse response: a direct sound and a decaying diffuse tail."""
    time = np.arange(int(REVERBERATION_S * RATE)) / RATE
    tail = generator.standard_normal(time.size) * 10 ** (-3.0 * time / REVERBERATION_S)
    tail[: int(0.004 * RATE)] = 0.0  # nothing returns before the nearest surface
    tail *= 10 ** (REVERBERATION_DB / 20) / np.linalg.norm(tail)
    tail[0] = 1.0
    return tail


def room_noise(generator: np.random.Generator, count: int) -> np.ndarray:
    """Return pink noise [count] (power falls with 1/f above 50 Hz) at the floor's level."""
    spectrum = np.fft.rfft(generator.standard_normal(count))
    frequency = np.fft.rfftfreq(count, 1 / RATE)
    noise = np.fft.irfft(spectrum / np.sqrt(np.maximum(frequency, 50.0)), count)
    return noise * 10 ** (FLOOR_DBFS / 20) / np.sqrt(np.mean(noise**2))


def convolve(samples: np.ndarray, response: np.ndarray) -> np.ndarray:
    """Return the linear convolution cut to the length of ``samples``."""
    count = samples.size + response.size
    return np.fft.irfft(np.fft.rfft(samples, count) * np.fft.rfft(response, count))[: samples.size]


def make_caller(voice: str) -> tuple[np.ndarray, list[Turn]]:
    """Return the recording, float [n] at 24 kHz and -24 LUFS (ITU-R BS.1770), and its turns."""
    generator = np.random.default_rng(SEED)
    dry = np.zeros(int(DURATION_S * RATE))
    turns = []
    for line in SCRIPT:
        spoken = speak(line, voice)
        begin = round(line.at_s * RATE)
        dry[begin : begin + spoken.size] += spoken
        end_s = round((begin + spoken.size) / RATE, 3)
        turns.append(Turn(line.text, line.at_s, end_s, line.kind))
    speech = convolve(dry, room_response(generator))
    noise = room_noise(generator, speech.size)
    # The gates of BS.1770 leave the noise between the turns out, so the speech alone sets the gain.
    loudness = pyloudnorm.Meter(RATE).integrated_loudness(speech)
    recording = speech * 10 ** ((LOUDNESS_LUFS - loudness) / 20) + noise
    if np.abs(recording).max() >= 1.0:
        raise ValueError(f"the caller clips at {LOUDNESS_LUFS} LUFS: choose another voice")
    return recording, turns


def main() -> None:
    """Write caller.wav and caller.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = Path(__file__).resolve().parent.parent / "config" / "demo"
    parser.add_argument("--output", type=Path, default=default, help="folder to write to")
    parser.add_argument("--voice", default="en-us+f2", help="a voice of espeak-ng")
    arguments = parser.parse_args()
    recording, turns = make_caller(arguments.voice)
    arguments.output.mkdir(parents=True, exist_ok=True)
    soundfile.write(arguments.output / "caller.wav", recording, RATE, subtype="PCM_16")
    truth = json.dumps([asdict(turn) for turn in turns], indent=2)
    (arguments.output / "caller.json").write_text(truth + "\n")


if __name__ == "__main__":
    main()
