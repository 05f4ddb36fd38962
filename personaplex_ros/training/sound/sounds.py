"""What a robot hears that is not for it: telephones, music, coughs, laughter, voices elsewhere.

All are made here from tones, noise, instruments and those who call, so there are as many as one
likes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt

from personaplex_ros.training.chance import pick
from personaplex_ros.training.sound.augment import reverberate
from personaplex_ros.training.sound.music import band, can_play
from personaplex_ros.training.voices.speakers import Callers, random_caller
from personaplex_ros.training.voices.speech import RATE, Speaker
from personaplex_ros.training.voices.speech_bank import at_level

Sound = NDArray[np.float32]
BABBLE = (3, 6)  # people
MOMENT_S = (1.0, 7.0)
SURROUNDINGS_S = 30.0  # that are made at a time
SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 4, 7, 9))  # semitones
LAUGHS = ("ha ha ha ha", "he he he he he", "hahaha ha", "ho ho ho")
HA_S, BREATH_S = (0.06, 0.14), (0.04, 0.14)  # of a laugh: a syllable, and what is between two
BACKWARDS_CHANCE = 0.25  # of speech to sound like that of another language
CLOSE_CHANCE = 0.4  # of who speaks to somebody else: in no room, as a loudspeaker nearby
BAND_CHANCE = 0.7  # of music to be played by instruments, where these can be had


def ring(rng: np.random.Generator) -> Sound:
    """Return a telephone that rings: two tones in turn, with pauses."""
    tones = rng.uniform(350, 1500, 2)
    turn_s, on_s, off_s = rng.uniform(0.03, 0.12), rng.uniform(0.5, 2.0), rng.uniform(0.3, 1.5)
    parts = []
    for _ in range(int(rng.integers(1, 4))):
        time = np.arange(round(on_s * RATE)) / RATE
        tone = np.where((time / turn_s).astype(int) % 2, *tones)
        parts.append(np.sin(2 * np.pi * np.cumsum(tone) / RATE) * _ends(len(time)))
        parts.append(np.zeros(round(off_s * RATE)))
    return np.concatenate(parts).astype(np.float32)


def cough(rng: np.random.Generator) -> Sound:
    """Return coughs, knocks or a door: short bursts of noise, each sudden and fading."""
    low = rng.uniform(80, 600)
    high = min(low * rng.uniform(3, 12), 11_000)
    body = butter(2, (low, high), "bandpass", fs=RATE, output="sos")
    parts = []
    for _ in range(int(rng.integers(1, 5))):
        count = round(rng.uniform(0.08, 0.4) * RATE)
        fading = np.exp(-np.arange(count) / (count * rng.uniform(0.1, 0.35)))
        parts.append(rng.standard_normal(count) * fading)
        parts.append(np.zeros(round(rng.uniform(0.05, 0.35) * RATE)))
    return sosfilt(body, np.concatenate(parts)).astype(np.float32)


def laugh(texts: Sequence[str], voice: Speaker, rng: np.random.Generator) -> Sound:
    """Return somebody who laughs: the syllables of the synthesiser, or one of a caller again."""
    if rng.random() < 0.4:
        laughs = " ".join(pick(LAUGHS, rng) for _ in range(int(rng.integers(1, 4))))
        return random_caller(rng).say(laughs).samples
    spoken = _said(texts, voice, rng)
    count = round(float(rng.uniform(*HA_S)) * RATE)
    loudest = int(np.abs(spoken).argmax())
    syllable = spoken[max(0, loudest - count // 2) :][:count]
    syllable = syllable * np.hanning(len(syllable))
    breath, lower, softer = rng.uniform(*BREATH_S), rng.uniform(0.94, 1.01), rng.uniform(0.8, 1.0)
    parts: list[Sound] = []
    for number in range(int(rng.integers(3, 14))):
        places = np.arange(0, len(syllable) - 1, lower**number)
        one = np.interp(places, np.arange(len(syllable)), syllable) * softer**number
        pause = np.zeros(round(breath * float(rng.uniform(0.7, 1.4)) * RATE))
        parts += [one.astype(np.float32), pause.astype(np.float32)]
    return np.concatenate(parts)


def music(seconds: float, rng: np.random.Generator) -> Sound:
    """Return music: instruments that play together, or a tune of tones: float32 [n]."""
    if can_play() and rng.random() < BAND_CHANCE:
        return band(seconds, rng)
    return tune(seconds, rng)


def tune(seconds: float, rng: np.random.Generator) -> Sound:
    """Return a tune over a bass, with or without drums: float32 [n]."""
    scale, root = pick(SCALES, rng), float(rng.uniform(110, 330))
    beat_s, brightness = float(rng.uniform(0.2, 0.5)), float(rng.uniform(0.6, 2.0))
    drums = rng.random() < 0.6
    wave = np.zeros(round(seconds * RATE) + RATE, np.float32)
    for number in range(int(seconds / beat_s)):
        start = round(number * beat_s * RATE)
        for octave in (0.5, 1.0, 2.0)[: int(rng.integers(1, 4))]:
            pitch = root * octave * 2 ** (pick(scale, rng) / 12)
            note = _note(pitch, beat_s * float(rng.uniform(0.8, 2.0)), brightness)
            wave[start : start + len(note)] += note[: len(wave) - start]
        if drums:
            count = round(0.08 * RATE)
            hit = rng.standard_normal(count) * np.exp(-np.arange(count) / (0.015 * RATE))
            wave[start : start + count] += 0.5 * hit.astype(np.float32)
    return wave[: round(seconds * RATE)]


def somebody(
    texts: Sequence[str], seconds: float, callers: Callers, rng: np.random.Generator
) -> Sound:
    """Return one who speaks to somebody else, or a television, mostly far away: float32 [n]."""
    voice, backwards = callers.draw(rng), rng.random() < BACKWARDS_CHANCE
    parts: list[Sound] = []
    while sum(map(len, parts)) < seconds * RATE:
        spoken = _said(texts, voice, rng)
        parts += [
            spoken[::-1] if backwards else spoken,
            np.zeros(round(float(rng.exponential(0.4)) * RATE), np.float32),
        ]
        if rng.random() < 0.3:
            voice = callers.draw(rng)
    sound = np.concatenate(parts)[: round(seconds * RATE)]
    return sound if rng.random() < CLOSE_CHANCE else reverberate(sound, rng)


def babble(
    texts: Sequence[str], seconds: float, callers: Callers, rng: np.random.Generator
) -> Sound:
    """Return some people who talk at the same time: float32 [n]."""
    people = [somebody(texts, seconds, callers, rng) for _ in range(int(rng.integers(*BABBLE)))]
    return np.sum(people, axis=0, dtype=np.float32)


def television(
    texts: Sequence[str], seconds: float, callers: Callers, rng: np.random.Generator
) -> Sound:
    """Return a voice over music, or without it: float32 [n]."""
    voice = at_level(somebody(texts, seconds, callers, rng))
    if rng.random() < 0.5:
        voice = voice + 10 ** (-rng.uniform(3, 15) / 20) * at_level(music(seconds, rng))
    return voice.astype(np.float32)


def moment(texts: Sequence[str], callers: Callers, rng: np.random.Generator) -> Sound:
    """Return some seconds of anything that nobody should answer: float32 [n]."""
    seconds = float(rng.uniform(*MOMENT_S))
    makes: tuple[Callable[[], Sound], ...] = (
        lambda: ring(rng),
        lambda: cough(rng),
        lambda: laugh(texts, callers.draw(rng), rng),
        lambda: music(seconds, rng),
        *(lambda: somebody(texts, seconds, callers, rng),) * 2,
        *(lambda: television(texts, seconds, callers, rng),) * 3,  # which is most like a person
        lambda: babble(texts, seconds, callers, rng),
    )
    return pick(makes, rng)()


def surroundings(
    texts: Sequence[str], seconds: float, callers: Callers, rng: np.random.Generator
) -> Sound:
    """Return what goes on in the background all the time: float32 [n]."""
    if rng.random() < 0.35:
        return music(seconds, rng)
    return pick((babble, television), rng)(texts, seconds, callers, rng)


def _said(texts: Sequence[str], voice: Speaker, rng: np.random.Generator) -> Sound:
    """Return one of the texts that a voice knows; who knows none lets the synthesiser speak."""
    known = [text for text in texts if voice.knows(text)]
    if not known:
        known, voice = list(texts), random_caller(rng)
    return at_level(voice.say(pick(known, rng)).samples)


def _note(pitch: float, seconds: float, brightness: float) -> Sound:
    time = np.arange(round(seconds * RATE)) / RATE
    harmonics = [n for n in range(1, 9) if n * pitch < 0.45 * RATE]
    wave = sum(np.sin(2 * np.pi * n * pitch * time) / n**brightness for n in harmonics)
    return (wave * np.exp(-3 * time / seconds) * _ends(len(time))).astype(np.float32)


def _ends(count: int) -> NDArray[np.float64]:
    """Return a gain that rises and falls within 5 ms."""
    edge = min(round(0.005 * RATE), count // 2)
    return np.minimum(1.0, np.minimum(np.arange(count), np.arange(count)[::-1]) / max(1, edge))
