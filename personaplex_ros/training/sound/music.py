"""Music by instruments: chords, bass, tune and drums, drawn and played by fluidsynth.

The instruments are those of a General MIDI sound font, Debian's package `fluid-soundfont-gm`.
"""

from __future__ import annotations

import functools
import importlib.util
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from personaplex_ros.audio import read_wave
from personaplex_ros.audio.mono import to_mono
from personaplex_ros.optional import require
from personaplex_ros.training.chance import pick
from personaplex_ros.training.voices.speech import RATE

SOUND_FONT = Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")
PROGRAM = "fluidsynth"
BEAT_TICKS = 480
DRUMS = 9  # the channel
KICK, SNARE, HATS = 36, 38, (42, 44, 46, 51)
# Of General MIDI, by what they do.
HARMONY = (0, 1, 4, 6, 16, 19, 24, 25, 26, 29, 30, 48, 50, 52, 61, 88, 89)
BASS = (32, 33, 34, 36, 38, 43, 58)
TUNE = (0, 11, 12, 22, 24, 27, 30, 40, 41, 42, 52, 53, 56, 57, 60, 64, 65, 66, 68, 71, 73, 75, 80)
SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 3, 5, 7, 9, 10))
PROGRESSIONS = ((0, 3, 4, 0), (0, 5, 3, 4), (0, 4, 5, 3), (1, 4, 0, 0), (0, 6, 5, 4), (0, 0, 3, 4))

Note = tuple[int, bool, int, int, int]  # tick, whether it begins, channel, pitch, velocity


@functools.cache
def can_play() -> bool:
    """Return whether instruments, and what plays them, are installed."""
    has_writer = importlib.util.find_spec("mido") is not None
    return has_writer and shutil.which(PROGRAM) is not None and SOUND_FONT.is_file()


def band(seconds: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return instruments that play together: float32 [n] at 24 kHz.

    Raises RuntimeError with what fluidsynth said where it failed.
    """
    beats_a_minute = float(rng.uniform(60, 170))
    beats = 4 + int(seconds * beats_a_minute / 60)
    with tempfile.TemporaryDirectory() as folder:
        score, wave = Path(folder) / "score.mid", Path(folder) / "music.wav"
        _write(score, beats_a_minute, _notes(beats, rng), rng)
        call = [PROGRAM, "-ni", "-q", "-g", "0.5", "-T", "wav", "-O", "s16", "-r", str(RATE),
                "-F", str(wave), str(SOUND_FONT), str(score)]  # fmt: skip
        done = subprocess.run(call, capture_output=True, text=True)
        if done.returncode or not wave.is_file():
            raise RuntimeError(f"{PROGRAM} could not play: {done.stderr.strip()}")
        samples = to_mono(read_wave(wave).samples)
    begin = int(rng.integers(1 + max(0, min(RATE, len(samples) - round(seconds * RATE)))))
    samples = samples[begin : begin + round(seconds * RATE)]
    return np.pad(samples, (0, round(seconds * RATE) - len(samples)))


def _notes(beats: int, rng: np.random.Generator) -> list[Note]:
    """Draw what is played in so many beats, in the order of time."""
    scale, key = pick(SCALES, rng), int(rng.integers(12))
    chords, bar = pick(PROGRESSIONS, rng), pick((3, 4, 4, 4), rng)
    drums, broken = rng.random() < 0.6, rng.random() < 0.5
    has_harmony, has_bass, has_tune = rng.random(3) < (0.85, 0.7, 0.85)
    step, notes = int(rng.integers(7, 14)), []

    def play(channel: int, pitch: int, at: float, beats: float, velocity: float) -> None:
        loud = int(np.clip(rng.normal(velocity, 8), 20, 127))
        first = round(at * BEAT_TICKS)
        notes.append((first, True, channel, pitch, loud))
        notes.append((first + max(1, round(beats * BEAT_TICKS)), False, channel, pitch, 0))

    def degree(number: int, lowest: int) -> int:
        return lowest + key + 12 * (number // 7) + scale[number % 7]

    for beat in range(beats):
        root = chords[beat // bar % len(chords)]
        if has_harmony and (broken or beat % bar == 0):
            for place, third in enumerate((0, 2, 4)):
                at = beat + place / 3 if broken else beat
                play(0, degree(root + third, 48), at, 0.5 if broken else bar, 70)
        if has_bass and (beat % 2 == 0 or rng.random() < 0.3):
            play(1, degree(root, 36), beat, 0.9, 85)
        if has_tune and rng.random() < 0.85:
            for at in (0.0, 0.5)[: int(rng.integers(1, 3))]:
                step = int(np.clip(step + rng.integers(-2, 3), 3, 18))
                play(2, degree(step, 55), beat + at, float(rng.uniform(0.3, 1.2)), 90)
        if drums or not (has_harmony or has_tune):
            play(DRUMS, KICK if beat % 2 == 0 else SNARE, beat, 0.2, 95)
            for at in (0.0, 0.5):
                play(DRUMS, pick(HATS, rng), beat + at, 0.2, 65)
    return sorted(notes)


def _write(path: Path, beats_a_minute: float, notes: list[Note], rng: np.random.Generator) -> None:
    mido: Any = require("mido")
    track = mido.MidiTrack()
    track.append(mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(beats_a_minute)))
    for channel, instruments in enumerate((HARMONY, BASS, TUNE)):
        track.append(
            mido.Message("program_change", channel=channel, program=pick(instruments, rng))
        )
    now = 0
    for tick, begins, channel, pitch, velocity in notes:
        kind = "note_on" if begins else "note_off"
        note = min(max(pitch, 0), 127)
        track.append(
            mido.Message(kind, channel=channel, note=note, velocity=velocity, time=tick - now)
        )
        now = tick
    score = mido.MidiFile(ticks_per_beat=BEAT_TICKS, tracks=[track])
    score.save(path)
