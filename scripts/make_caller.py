"""Make the demo's recorded caller: config/demo/caller.wav and its truth, caller.json.

usage: python scripts/make_caller.py [--output DIR]

Needs requirements-training.txt. The results are committed, so only who changes the script has to
run it. The caller has a voice and wordings that ``nano`` was not trained on; the room and its
noise come from a fixed seed.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyloudnorm

from personaplex_ros.audio import write_wave
from personaplex_ros.training.sound.augment import coloured_noise, reverberate
from personaplex_ros.training.voices.speakers import HELD_OUT
from personaplex_ros.training.voices.speech import RATE, Voice, speak

VOICE = Voice(HELD_OUT[0], words_per_minute=165, pitch=45)
LOUDNESS_LUFS = -24.0
FLOOR_DBFS = -62.0  # RMS of the room noise: what a quiet office leaves in a close microphone
DURATION_S = 24.0
SEED = 20


@dataclass(frozen=True)
class Line:
    """What the caller says: text, when it begins, what kind of turn it is, and how loud."""

    text: str
    at_s: float
    kind: str
    gain_db: float = 0.0


@dataclass(frozen=True)
class Turn:
    """One entry of the truth: acoustic start and end in seconds of the file."""

    text: str
    start_s: float
    end_s: float
    kind: str


SCRIPT = (
    Line("Hello, on which floor is the meeting room?", 1.0, "question"),
    Line("Yeah.", 4.9, "backchannel", -4.0),  # while the robot answers
    Line("Where can I get something to eat?", 7.5, "question"),
    Line("Sorry, wait, when do you close today?", 10.9, "interruption"),
    Line("Great, thank you very much. Goodbye!", 16.5, "goodbye"),
)


def make_caller() -> tuple[np.ndarray, list[Turn]]:
    """Return the recording, float [n] at 24 kHz and -24 LUFS (ITU-R BS.1770), and its turns."""
    generator = np.random.default_rng(SEED)
    dry = np.zeros(int(DURATION_S * RATE), np.float32)
    turns = []
    for line in SCRIPT:
        spoken = speak(line.text, VOICE).samples * np.float32(10 ** (line.gain_db / 20))
        begin = round(line.at_s * RATE)
        dry[begin : begin + spoken.size] += spoken
        end_s = round((begin + spoken.size) / RATE, 3)
        turns.append(Turn(line.text, line.at_s, end_s, line.kind))
    speech = reverberate(dry, generator)
    noise = coloured_noise(speech.size, generator) * 10 ** (FLOOR_DBFS / 20)
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
    arguments = parser.parse_args()
    recording, turns = make_caller()
    arguments.output.mkdir(parents=True, exist_ok=True)
    write_wave(arguments.output / "caller.wav", recording, RATE)
    truth = json.dumps([asdict(turn) for turn in turns], indent=2)
    (arguments.output / "caller.json").write_text(truth + "\n")


if __name__ == "__main__":
    main()
