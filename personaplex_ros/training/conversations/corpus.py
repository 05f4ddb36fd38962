"""The corpus in codes: recordings of callers, the robot's sentences, and conversations of both."""

from __future__ import annotations

import functools
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from personaplex_ros.checkpoint import TextTokenizer, WaveVoice, load_codec
from personaplex_ros.checkpoint.files import MIMI, TOKENIZER
from personaplex_ros.engine.prepared import encode_voice
from personaplex_ros.mimi import Mimi, MimiConfig
from personaplex_ros.training.chance import pick
from personaplex_ros.training.conversations.dialogue import Conversation, Sentence, converse
from personaplex_ros.training.conversations.recordings import FRAME_S, Recording, Take
from personaplex_ros.training.conversations.text_row import text_row
from personaplex_ros.training.voices.speakers import AGENTS
from personaplex_ros.training.voices.speech import RATE, Interval
from personaplex_ros.training.world import World, plain

CPU = torch.device("cpu")
NOTHING_HEARD = -1
ONSET_FRAMES = 2  # of a sentence, whose codes tell the voice, or of silence that gives way
TEMPTED_FRAMES = 7  # after a sound that is not for the robot, in which it would answer a person
SENTENCES, PROMPTS = "sentences-{}.npz", "prompts-{}.npz"  # of a voice

Piece = tuple[NDArray[np.int16], Any]  # codes [codebooks, F], and what is to be known of them


@dataclass(frozen=True)
class Example:
    """A conversation in tokens.

    ``rows`` int16 [17, F]: text, the agent's codebooks, the user's. ``heard`` int16 [F]: which
    word of the caller has just ended (an index into ``caller_words``), or -1. ``decisive`` bool
    [F]: where the robot begins to speak, says a fact of its persona, gives way, or would answer
    what is not for it. ``given`` bool [F]: where it is made to begin, which is nothing to learn.
    ``facts`` int16 [6]: the persona, see ``World.numbers``, and which voice it has.
    """

    rows: NDArray[np.int16]
    heard: NDArray[np.int16]
    decisive: NDArray[np.bool_]
    given: NDArray[np.bool_]
    facts: NDArray[np.int16]
    prompt: str
    voice: str


@dataclass(frozen=True, eq=False)
class Materials:
    """What turns sound and words into tokens: codec and tokenizer of a checkpoint folder."""

    codec: Mimi
    tokenizer: TextTokenizer
    silence: NDArray[
        np.int16
    ]  # codes [codebooks, 1] of the robot's, as its language model knows it

    @staticmethod
    @functools.cache
    def load(folder: Path, device: torch.device = CPU) -> Materials:
        """Load from a checkpoint folder in the making."""
        config = MimiConfig.from_json(json.loads((folder / "mimi_config.json").read_text()))
        codec = load_codec(folder / MIMI, config, device)
        words = TextTokenizer(folder / TOKENIZER)
        known = folder / "config.json"
        if known.is_file():
            codes = json.loads(known.read_text())["silence_codes"]
            silence = np.array(codes, np.int16)[:, None]
        else:
            silence = encode(codec, np.zeros(3 * RATE, np.float32))[:, -1:]
        return Materials(codec, words, silence)


@dataclass(frozen=True, eq=False)
class Corpus:
    """Recordings and sentences, and whatever conversations can be made of them."""

    world: World
    materials: Materials
    recordings: Sequence[Recording]
    sentences: Mapping[str, Mapping[str, Sentence]]  # by voice and text
    prompts: Mapping[str, Sequence[NDArray[np.int16]]]  # by voice, as codes [codebooks, F]
    seconds: float  # of a conversation, about

    def example(self, rng: np.random.Generator) -> Example:
        """Draw a conversation."""
        voice, recording = pick(list(self.sentences), rng), pick(self.recordings, rng)
        conversation = converse(self.world, recording, self.sentences[voice], self.seconds, rng)
        rows, heard = self._tokens(conversation, recording, rng)
        numbers = [*self.world.numbers(conversation.facts), list(self.sentences).index(voice)]
        facts, stressed = np.array(numbers, np.int16), decisive(conversation)
        return Example(
            rows, heard, stressed, given(conversation), facts, conversation.prompt, voice
        )

    @functools.cached_property
    def words(self) -> dict[str, int]:
        """See ``caller_words``."""
        return caller_words(self.world)

    @property
    def fact_sizes(self) -> list[int]:
        """How many values each of ``Example.facts`` may have."""
        return [*(len(possible) for possible in self.world.values.values()), len(self.sentences)]

    def _tokens(
        self, conversation: Conversation, recording: Recording, rng: np.random.Generator
    ) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
        frames = conversation.frames
        agent = np.repeat(self.materials.silence, frames, axis=1)
        user = recording.room(frames, rng)
        heard = np.full(frames, NOTHING_HEARD, np.int16)
        said: list[Interval] = []
        for line in conversation.lines:
            first = int(line.start_s / FRAME_S + 1e-6)
            if isinstance(line.piece, Sentence):
                codes = line.piece.codes
                if line.is_cut:
                    codes = codes[:, : round(line.end_s / FRAME_S) - first]
                codes = codes[:, : frames - first]
                agent[:, first : first + codes.shape[1]] = codes
                said += line.words
            else:
                take = line.piece
                codes = recording.codes[:, take.first :][:, : min(take.frames, frames - first)]
                user[:, first : first + codes.shape[1]] = codes
                for word in line.words:
                    heard[min(frames - 1, int(word.end_s / FRAME_S) + 1)] = self.words[
                        plain(word.text)
                    ]
        text = text_row(said, self.materials.tokenizer, frames, FRAME_S)
        return np.concatenate([text[None], agent, user]), heard


def decisive(conversation: Conversation) -> NDArray[np.bool_]:
    """Return where the robot begins to speak, says a fact, gives way or is tempted: bool [F]."""
    facts = set(plain(" ".join(astuple(conversation.facts))).split())
    mask = np.zeros(conversation.frames, np.bool_)
    for line in conversation.lines:
        if line.kind == "noise":
            end = round(line.end_s / FRAME_S)
            mask[end : end + TEMPTED_FRAMES] = True
        if line.speaker == "agent":
            first = round(line.start_s / FRAME_S)
            mask[first : first + ONSET_FRAMES] = True
            if line.is_cut:
                end = round(line.end_s / FRAME_S)
                mask[end : end + ONSET_FRAMES] = True
            for word in line.words:
                if plain(word.text) in facts:
                    mask[int(word.start_s / FRAME_S) : math.ceil(word.end_s / FRAME_S)] = True
    return mask


def given(conversation: Conversation) -> NDArray[np.bool_]:
    """Return where the robot is made to begin to speak, the frame that tells so included: [F]."""
    mask = np.zeros(conversation.frames, np.bool_)
    for line in conversation.lines:
        if line.kind == "given":
            first = round(line.start_s / FRAME_S)
            mask[max(0, first - 1) : first + ONSET_FRAMES] = True
    return mask


def load_corpus(folder: Path, world: World, materials: Materials, seconds: float) -> Corpus:
    """Read what ``corpus_making.build_corpus`` wrote."""
    recordings = [r for path in sorted(folder.glob("[0-9]*.npz")) for r in _read_recordings(path)]
    if not recordings:
        raise FileNotFoundError(f"{folder} holds no recordings; run stage corpus")
    prompts = {v: [codes for codes, _ in _read(folder / PROMPTS.format(v))] for v in AGENTS}
    return Corpus(world, materials, recordings, load_sentences(folder), prompts, seconds)


def load_sentences(folder: Path) -> dict[str, dict[str, Sentence]]:
    """Read what the robot can say, by voice and text."""
    return {voice: _read_sentences(folder / SENTENCES.format(voice)) for voice in AGENTS}


@torch.inference_mode()
def encode(codec: Mimi, wave: NDArray[np.float32]) -> NDArray[np.int16]:
    """Encode whole frames [n * frame_size] as one stream: int16 [codebooks, n]."""
    codes = encode_voice(WaveVoice(wave), codec, codec.config.codebooks)
    return codes.cpu().numpy().astype(np.int16)


def caller_words(world: World) -> dict[str, int]:
    """Return a number for every word that callers say."""
    texts = [*world.openers, *world.breaks, *world.user_backchannels]
    texts += [w for i in world.intents.values() for w in (*i.wordings, *i.held_out)]
    texts += [line for lines in world.stories.values() for line in lines]
    words = sorted({plain(word) for text in texts for word in re.findall(r"\S+", text)})
    return {word: number for number, word in enumerate(words)}


def _read(path: Path) -> Iterator[Piece]:
    with np.load(path, allow_pickle=False) as file:
        codes, ends, about = file["codes"], file["ends"], json.loads(str(file["about"]))
    for first, last, entry in zip([0, *ends[:-1]], ends, about, strict=True):
        yield codes[:, first:last], entry


def _read_sentences(path: Path) -> dict[str, Sentence]:
    return {
        text: Sentence(tuple(Interval(*word) for word in words), codes)
        for codes, (text, words) in _read(path)
    }


def _read_recordings(path: Path) -> Iterator[Recording]:
    for codes, entries in _read(path):
        takes = []
        for entry in entries:
            words = tuple(Interval(**word) for word in entry.pop("words"))
            pauses = tuple((a, b) for a, b in entry.pop("pauses"))
            takes.append(Take(**entry, words=words, pauses=pauses))
        yield Recording(codes, tuple(takes))
