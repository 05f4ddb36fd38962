"""Making the corpus: sentences are spoken, callers recorded, and both encoded into files."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from personaplex_ros.audio.loudness import normalise_loudness
from personaplex_ros.checkpoint.voices import LOUDNESS
from personaplex_ros.children import worker_pool
from personaplex_ros.files import write_whole
from personaplex_ros.mimi import Mimi
from personaplex_ros.nn.denormals import flush_denormals
from personaplex_ros.training.chance import pick
from personaplex_ros.training.conversations.corpus import (
    PROMPTS,
    SENTENCES,
    Materials,
    Piece,
    encode,
)
from personaplex_ros.training.conversations.recording_making import record
from personaplex_ros.training.voices.speakers import AGENTS, Callers
from personaplex_ros.training.voices.speech import RATE, Speech, Voice, speak
from personaplex_ros.training.voices.speech_bank import at_level
from personaplex_ros.training.world import World, load_world

LEAD_FRAMES = 13  # of silence before a sentence, so that its codes do not know the stream began
TAIL_FRAMES = 4  # after a sentence, until its codes are those of silence
PROMPT_SENTENCES = 4  # at most

Make = Callable[[World, Mimi], Iterator[Piece]]


def build_corpus(
    folder: Path,
    checkpoint: Path,
    prompts: int,
    shards: range,
    size: int,
    processes: int,
    device: torch.device,
    voices: Path,
    spoken_with: Path,
) -> Iterator[Path]:
    """Write whatever is not there of the corpus.

    For each voice of the robot its sentences and so many ``prompts``, and shards of ``size``
    recordings, also of the recorded voices whose folders lie in ``voices``. The sentences are
    encoded by the codec of the checkpoint ``spoken_with``, all else by that of ``checkpoint``. The
    processes share the device, where the codec is. Yields each file when it is written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    makes: dict[str, tuple[Path, Make]] = {}
    for voice in AGENTS:
        makes[SENTENCES.format(voice)] = spoken_with, functools.partial(_sentences, voice)
        makes[PROMPTS.format(voice)] = checkpoint, functools.partial(_prompts, voice, prompts)
    for number in shards:
        recordings = functools.partial(_recordings, number, size, voices)
        makes[f"{number:05d}.npz"] = checkpoint, recordings
    jobs = [
        (folder / name, codec_of, device, make)
        for name, (codec_of, make) in makes.items()
        if not (folder / name).is_file()
    ]
    # A process for each file: the synthesiser repeats itself in new processes only.
    with worker_pool(processes) as pool:
        yield from pool.imap_unordered(_build, jobs)


def prompt_texts(texts: Sequence[str]) -> list[str]:
    """Return the texts that are of a length for a sentence of a voice prompt."""
    return [text for text in texts if 20 < len(text) < 90]


def voice_sample(voice: str, texts: Sequence[str]) -> NDArray[np.float32]:
    """Return sentences of an agent voice as a voice prompt: float32 [n] at 24 kHz, -24 LUFS."""
    pause = np.zeros(round(0.2 * RATE), np.float32)
    parts = [part for text in texts for part in (speak(text, AGENTS[voice]).samples, pause)]
    return normalise_loudness(np.concatenate(parts), RATE, LOUDNESS)


def sharing_beginnings(texts: Sequence[str], voice: Voice) -> dict[str, Speech]:
    """Say texts so that those that begin with the same words sound the same until they differ.

    Otherwise the first sounds of "My name is" would tell which name follows, and the model would
    draw those sounds by chance instead of reading the prompt when the name comes.
    """
    said: dict[str, Speech] = {}
    known: dict[tuple[str, ...], Speech] = {}
    for text in texts:
        speech = speak(text, voice)
        speech = replace(speech, samples=at_level(speech.samples))
        words = text.split()
        shared = max((n for n in range(1, len(words)) if tuple(words[:n]) in known), default=0)
        if shared:
            speech = _joined(known[tuple(words[:shared])], speech, shared)
        said[text] = speech
        for count in range(1, len(words)):
            known.setdefault(tuple(words[:count]), speech)
    return said


def _joined(begin: Speech, end: Speech, words: int) -> Speech:
    """Return the first ``words`` words of one and the others of another, faded over 5 ms."""
    cut, start = (round(speech.words[words].start_s * RATE) for speech in (begin, end))
    fade = min(round(0.005 * RATE), cut, start)
    ramp = np.linspace(0, 1, fade, dtype=np.float32)
    before, after = begin.samples[:cut].copy(), end.samples[start:]
    if fade:
        before[cut - fade :] *= 1 - ramp
        before[cut - fade :] += ramp * end.samples[start - fade : start]
    moved = (cut - start) / RATE
    later = (word.later(moved) for word in end.words[words:])
    return Speech(np.concatenate([before, after]), (*begin.words[:words], *later), ())


def sentence_codes(codec: Mimi, samples: NDArray[np.float32]) -> NDArray[np.int16]:
    """Encode what begins with a frame, after silence: int16 [codebooks, F]."""
    size = codec.config.frame_size
    frames = LEAD_FRAMES + -(-len(samples) // size) + TAIL_FRAMES
    wave = np.zeros(frames * size, np.float32)
    wave[LEAD_FRAMES * size :][: len(samples)] = samples
    return encode(codec, wave)[:, LEAD_FRAMES:]


def _build(job: tuple[Path, Path, torch.device, Make]) -> Path:
    path, checkpoint, device, make = job
    torch.set_num_threads(1)
    flush_denormals()
    codes, about = zip(*make(load_world(), Materials.load(checkpoint, device).codec), strict=True)

    def save(place: Path) -> None:
        with place.open("wb") as file:
            ends = np.cumsum([part.shape[1] for part in codes])
            joined = np.concatenate(codes, axis=1)
            np.savez_compressed(file, codes=joined, ends=ends, about=json.dumps(about))

    write_whole(path, save)
    return path


def _sentences(voice: str, world: World, codec: Mimi) -> Iterator[Piece]:
    for text, speech in sharing_beginnings(world.answers(), AGENTS[voice]).items():
        words = [(word.text, word.start_s, word.end_s) for word in speech.words]
        yield sentence_codes(codec, speech.samples), (text, words)


def _prompts(voice: str, count: int, world: World, codec: Mimi) -> Iterator[Piece]:
    rng = np.random.default_rng((3, list(AGENTS).index(voice)))
    texts = prompt_texts(world.agent_texts(rng, 6) + world.caller_texts())
    for _ in range(count):
        chosen = [pick(texts, rng) for _ in range(int(rng.integers(1, PROMPT_SENTENCES + 1)))]
        yield encode(codec, voice_sample(voice, chosen)), chosen


def _recordings(
    number: int, count: int, voices: Path, world: World, codec: Mimi
) -> Iterator[Piece]:
    callers = Callers.open(voices)
    for index in range(count):
        wave, takes = record(world, np.random.default_rng((number, index)), callers)
        yield encode(codec, wave), [asdict(take) for take in takes]
