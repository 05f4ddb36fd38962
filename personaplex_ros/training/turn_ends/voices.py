"""Who speaks: espeak-ng's callers, Kokoro's voices, and a natural voice; the latter as many."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from personaplex_ros.optional import require
from personaplex_ros.training.chance import pick
from personaplex_ros.training.voices.changing import VoiceChange, mean_pitch, warped
from personaplex_ros.training.voices.speakers import random_caller
from personaplex_ros.training.voices.speech import Voice, speak
from personaplex_ros.training.voices.speech_bank import sounding
from personaplex_ros.training.voices.synthesizers import Say as Synthesizer

KOKORO_SHARE, NATURAL_SHARE = 0.45, 0.8  # the latter with hibari's
CHANGED_CHANCE = 0.6  # of a voice of Kokoro's to become another speaker's
PITCHES = (-1.1, 0.35)  # octaves, from that of a woman to a low man's or a child's
WARPS = (0.84, 1.16)  # of the vocal tract's resonances
RANGES = (0.6, 1.5)  # of the melody about its mean
PACES, KOKORO_PACES = (0.85, 1.3), (0.9, 1.15)
DRAWL_CHANCE, DRAWL = 0.5, (1.2, 2.4)  # of what is said last before a pause, in the same sentence
DRAWN_FRAMES = (10, 26)  # of 12.5 ms

Sound = NDArray[np.float32]
Say = Callable[[str, bool], Sound]  # a text, and whether it is held there; float32 [n] at 24 kHz


def random_voice(rng: np.random.Generator, voices: Sequence[Synthesizer]) -> Say:
    """Draw somebody who speaks; voices: those of Kokoro."""
    kind = rng.random()
    if kind < KOKORO_SHARE:
        return one_of_many(pick(voices, rng), rng)
    return natural_voice(rng) if kind < NATURAL_SHARE else _by_rules(random_caller(rng))


def _by_rules(voice: Voice) -> Say:
    return lambda text, held: speak(text.rstrip(" -.") if held else text, voice).samples


def one_of_many(voice: Synthesizer, rng: np.random.Generator) -> Say:
    """Return a voice of Kokoro's, or who may have the same manner with another mouth."""
    pace, changed = float(rng.uniform(*KOKORO_PACES)), rng.random() < CHANGED_CHANCE
    change: VoiceChange | None = None

    def say(text: str, _: bool) -> Sound:
        nonlocal change
        samples = voice(text, pace)
        if changed and change is None:
            change = VoiceChange.draw(mean_pitch(samples), rng)
        samples = samples if change is None else change(samples)
        return samples[slice(*sounding(samples))]

    return say


def natural_voice(rng: np.random.Generator) -> Say:
    """Draw a speaker whose pitch, melody, resonances and pace differ from the natural voice's."""
    pitch = 2.0 ** float(rng.uniform(*PITCHES))
    warp = float(rng.uniform(*WARPS)) * (0.93 if pitch < 0.7 else 1.0)
    melody, pace = float(rng.uniform(*RANGES)), float(rng.uniform(*PACES))

    def say(text: str, held: bool) -> Sound:
        from hibari import dsp

        tts = _hibari()
        phonemes = " ".join(tts.phonemize(text))
        inputs = {
            "ids": np.asarray([tts.ids(phonemes)], np.int64),
            "speed": np.asarray([pace], np.float32),
        }
        tracks = [track[0] for track in tts.sess.run(None, inputs)]
        tone = tracks[-1]
        voiced = tone > 40.0
        mean = float(np.exp(np.mean(np.log(tone[voiced])))) if voiced.any() else 1.0
        curve = mean * (np.maximum(tone, 1.0) / mean) ** melody * pitch
        tracks[-1] = np.where(voiced, np.maximum(curve, 55.0), 0.0).astype(np.float32)
        tracks[:-1] = [warped(track, warp) for track in tracks[:-1]]
        samples = dsp.synth(*(_drawn(tracks, rng) if held else tracks), rng)
        return samples[slice(*sounding(samples))]

    return say


def _drawn(tracks: list[Sound], rng: np.random.Generator) -> list[Sound]:
    """Draw the last sound out, mostly on a level pitch, as who thinks of the next word does."""
    if rng.random() > DRAWL_CHANCE:
        return tracks
    tone = tracks[-1]
    loud = np.flatnonzero(tone > 40.0)
    if len(loud) < DRAWN_FRAMES[1]:
        return tracks
    end = int(loud[-1]) + 1
    begin = end - int(rng.integers(*DRAWN_FRAMES))
    length = round((end - begin) * float(rng.uniform(*DRAWL)))
    places = np.concatenate(
        (
            np.arange(begin),
            np.linspace(begin, end - 1, length).astype(int),
            np.arange(end, len(tone)),
        )
    )
    drawn = [track[..., places] for track in tracks]
    if rng.random() < 0.7:
        flat = drawn[-1][begin : begin + length]
        level = float(flat[0]) if flat[0] > 40.0 else float(np.median(flat))
        slope = 2.0 ** (float(rng.normal(0.0, 0.05)) * np.linspace(0.0, 1.0, length))
        drawn[-1][begin : begin + length] = np.where(flat > 40.0, level * slope, flat)
    return drawn


@functools.cache
def _hibari() -> Any:
    return require("hibari").Hibari()
