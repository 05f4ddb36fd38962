"""Conversations as rows of tokens, made in parallel and kept on disk in whole shards."""

from __future__ import annotations

import functools
import json
import multiprocessing
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from personaplex_ros.audio.loudness import normalise_loudness
from personaplex_ros.checkpoint import TextTokenizer, WaveVoice, load_codec
from personaplex_ros.checkpoint.files import MIMI, TOKENIZER
from personaplex_ros.checkpoint.voices import LOUDNESS
from personaplex_ros.engine.prepared import encode_voice
from personaplex_ros.files import write_whole
from personaplex_ros.mimi import Mimi, MimiConfig
from personaplex_ros.training.dialogue import FRAME_S, Conversation, random_conversation
from personaplex_ros.training.speakers import AGENTS
from personaplex_ros.training.speech import RATE, Interval, speak
from personaplex_ros.training.speech_bank import at_level
from personaplex_ros.training.text_row import text_row
from personaplex_ros.training.world import World, load_world, plain

LEAD_FRAMES = 13  # of silence before an utterance, so that its codes do not know the stream began
TAIL_FRAMES = 4  # after an utterance, until its codes are those of silence
NOTHING_HEARD = -1


@dataclass(frozen=True)
class Example:
    """A conversation in tokens.

    ``rows`` int16 [17, F]: text, the agent's codebooks, the user's. ``heard`` int16 [F]: which
    word of the caller has just ended (an index into ``caller_words``), or -1.
    """

    rows: NDArray[np.int16]
    heard: NDArray[np.int16]
    prompt: str
    voice: str


@dataclass(frozen=True, eq=False)
class Materials:
    """What turns conversations into tokens: a folder with codec and tokenizer, loaded."""

    codec: Mimi
    tokenizer: TextTokenizer
    silence: NDArray[np.int16]  # codes [codebooks, 1]

    @staticmethod
    @functools.cache
    def load(folder: Path) -> Materials:
        """Load from a checkpoint folder in the making."""
        config = MimiConfig.from_json(json.loads((folder / "mimi_config.json").read_text()))
        codec = load_codec(folder / MIMI, config, "cpu")
        words = TextTokenizer(folder / TOKENIZER)
        silence = encode(codec, np.zeros(3 * RATE, np.float32))[:, -1:]
        return Materials(codec, words, silence)

    @functools.cache  # noqa: B019  (as long as the process, like the materials)
    def utterance(self, voice: str, text: str) -> NDArray[np.int16]:
        """Return the codes [codebooks, F] of a sentence of the agent that begins with a frame."""
        samples = at_level(speak(text, AGENTS[voice]).samples)
        size = self.codec.config.frame_size
        frames = LEAD_FRAMES + -(-len(samples) // size) + TAIL_FRAMES
        wave = np.zeros(frames * size, np.float32)
        wave[LEAD_FRAMES * size :][: len(samples)] = samples
        return encode(self.codec, wave)[:, LEAD_FRAMES:]

    def tokens(self, conversation: Conversation, words: dict[str, int]) -> Example:
        """Return a conversation as tokens."""
        user = encode(self.codec, conversation.user)
        frames = user.shape[1]
        agent = np.repeat(self.silence, frames, axis=1)
        heard = np.full(frames, NOTHING_HEARD, np.int16)
        said: list[Interval] = []
        for line in conversation.lines:
            if line.speaker == "agent":
                first, last = round(line.start_s / FRAME_S), -(-round(line.end_s * 1e4) // 800)
                codes = self.utterance(conversation.voice, line.text)
                whole = len(line.words) == len(line.text.split())
                end = min(frames, first + codes.shape[1] if whole else last)
                agent[:, first:end] = codes[:, : end - first]
                said += line.words
            else:
                for word in line.words:
                    frame = min(frames - 1, int(word.end_s / FRAME_S) + 1)
                    heard[frame] = words[plain(word.text)]
        text = text_row(said, self.tokenizer, frames, FRAME_S)
        rows = np.concatenate([text[None], agent, user])
        return Example(rows, heard, conversation.prompt, conversation.voice)


def voice_sample(voice: str, texts: Sequence[str]) -> NDArray[np.float32]:
    """Return sentences of an agent voice as a voice prompt: float32 [n] at 24 kHz, -24 LUFS."""
    pause = np.zeros(round(0.2 * RATE), np.float32)
    parts = [part for text in texts for part in (speak(text, AGENTS[voice]).samples, pause)]
    return normalise_loudness(np.concatenate(parts), RATE, LOUDNESS)


@torch.inference_mode()
def encode(codec: Mimi, wave: NDArray[np.float32]) -> NDArray[np.int16]:
    """Encode whole frames [n * frame_size] as one stream: int16 [codebooks, n]."""
    codes = encode_voice(WaveVoice(wave), codec, codec.config.codebooks)
    return codes.numpy().astype(np.int16)


def caller_words(world: World) -> dict[str, int]:
    """Return a number for every word that callers say."""
    texts = [*world.openers, *world.breaks, *world.user_backchannels]
    texts += [w for i in world.intents.values() for w in (*i.wordings, *i.held_out)]
    texts += [line for lines in world.stories.values() for line in lines]
    words = sorted({plain(word) for text in texts for word in re.findall(r"\S+", text)})
    return {word: number for number, word in enumerate(words)}


def build_shards(
    folder: Path, checkpoint: Path, shards: range, size: int, seconds: float, processes: int
) -> Iterator[Path]:
    """Write those shards of ``size`` conversations that are not there; yields each when written."""
    folder.mkdir(parents=True, exist_ok=True)
    jobs = [(folder / f"{number:05d}.npz", checkpoint, number, size, seconds) for number in shards]
    jobs = [job for job in jobs if not job[0].is_file()]
    # A process for each shard: the synthesiser repeats itself in new processes only.
    context = multiprocessing.get_context("spawn")
    with context.Pool(processes, maxtasksperchild=1) as pool:
        yield from pool.imap_unordered(_build, jobs)


def read_shard(path: Path) -> list[Example]:
    """Read a shard."""
    with np.load(path, allow_pickle=False) as file:
        rows, heard, ends = file["rows"], file["heard"], file["ends"]
        about = json.loads(str(file["about"]))
    begins = [0, *ends[:-1]]
    return [
        Example(rows[:, a:b], heard[a:b], prompt, voice)
        for a, b, (prompt, voice) in zip(begins, ends, about, strict=True)
    ]


def _build(job: tuple[Path, Path, int, int, float]) -> Path:
    path, checkpoint, number, size, seconds = job
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    world = load_world()
    words, materials = caller_words(world), Materials.load(checkpoint)
    examples = [
        materials.tokens(random_conversation(world, (number, index), seconds), words)
        for index in range(size)
    ]

    def save(place: Path) -> None:
        with place.open("wb") as file:
            np.savez(
                file,
                rows=np.concatenate([example.rows for example in examples], axis=1),
                heard=np.concatenate([example.heard for example in examples]),
                ends=np.cumsum([len(example.heard) for example in examples]),
                about=json.dumps([(example.prompt, example.voice) for example in examples]),
            )

    write_whole(path, save)
    return path
