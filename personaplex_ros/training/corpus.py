"""The corpus in codes: recordings of callers, the robot's sentences, and conversations of both."""

from __future__ import annotations

import functools
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from personaplex_ros.audio.loudness import normalise_loudness
from personaplex_ros.checkpoint import TextTokenizer, WaveVoice, load_codec
from personaplex_ros.checkpoint.files import MIMI, TOKENIZER
from personaplex_ros.checkpoint.voices import LOUDNESS
from personaplex_ros.children import worker_pool
from personaplex_ros.engine.prepared import encode_voice
from personaplex_ros.files import write_whole
from personaplex_ros.mimi import Mimi, MimiConfig
from personaplex_ros.nn.denormals import flush_denormals
from personaplex_ros.training.chance import pick
from personaplex_ros.training.dialogue import Conversation, Sentence, converse
from personaplex_ros.training.recordings import FRAME_S, Recording, Take, record
from personaplex_ros.training.speakers import AGENTS
from personaplex_ros.training.speech import RATE, Interval, Speech, Voice, speak
from personaplex_ros.training.speech_bank import at_level
from personaplex_ros.training.text_row import text_row
from personaplex_ros.training.world import World, load_world, plain

CPU = torch.device("cpu")
LEAD_FRAMES = 13  # of silence before a sentence, so that its codes do not know the stream began
TAIL_FRAMES = 4  # after a sentence, until its codes are those of silence
NOTHING_HEARD = -1
ONSET_FRAMES = 2  # of a sentence, whose codes tell the voice, or of silence that gives way
SENTENCES, PROMPTS = "sentences-{}.npz", "prompts-{}.npz"  # of a voice
PROMPT_SENTENCES = 4  # at most


@dataclass(frozen=True)
class Example:
    """A conversation in tokens.

    ``rows`` int16 [17, F]: text, the agent's codebooks, the user's. ``heard`` int16 [F]: which
    word of the caller has just ended (an index into ``caller_words``), or -1. ``decisive`` bool
    [F]: where the robot begins to speak, says a fact of its persona or gives way. ``facts`` int16
    [6]: the persona, see ``World.numbers``, and which voice it has.
    """

    rows: NDArray[np.int16]
    heard: NDArray[np.int16]
    decisive: NDArray[np.bool_]
    facts: NDArray[np.int16]
    prompt: str
    voice: str


@dataclass(frozen=True, eq=False)
class Materials:
    """What turns sound and words into tokens: codec and tokenizer of a checkpoint folder."""

    codec: Mimi
    tokenizer: TextTokenizer
    silence: NDArray[np.int16]  # codes [codebooks, 1]

    @staticmethod
    @functools.cache
    def load(folder: Path, device: torch.device = CPU) -> Materials:
        """Load from a checkpoint folder in the making."""
        config = MimiConfig.from_json(json.loads((folder / "mimi_config.json").read_text()))
        codec = load_codec(folder / MIMI, config, device)
        words = TextTokenizer(folder / TOKENIZER)
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
        return Example(rows, heard, stressed, facts, conversation.prompt, voice)

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
    """Return where the robot begins to speak, says a fact or gives way: bool [F]."""
    facts = set(plain(" ".join(astuple(conversation.facts))).split())
    mask = np.zeros(conversation.frames, np.bool_)
    for line in conversation.lines:
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


def load_corpus(folder: Path, world: World, materials: Materials, seconds: float) -> Corpus:
    """Read what ``build_corpus`` wrote."""
    recordings = [r for path in sorted(folder.glob("[0-9]*.npz")) for r in _read_recordings(path)]
    if not recordings:
        raise FileNotFoundError(f"{folder} holds no recordings; run stage corpus")
    sentences = {voice: _read_sentences(folder / SENTENCES.format(voice)) for voice in AGENTS}
    prompts = {v: [codes for codes, _ in _read(folder / PROMPTS.format(v))] for v in AGENTS}
    return Corpus(world, materials, recordings, sentences, prompts, seconds)


Piece = tuple[NDArray[np.int16], Any]  # codes [codebooks, F], and what is to be known of them
Make = Callable[[World, Mimi], Iterator[Piece]]


def build_corpus(
    folder: Path,
    checkpoint: Path,
    prompts: int,
    shards: range,
    size: int,
    processes: int,
    device: torch.device,
) -> Iterator[Path]:
    """Write whatever is not there of the corpus.

    For each voice of the robot its sentences and so many ``prompts``, and shards of ``size``
    recordings. The processes share the device, where the codec is. Yields each file when it is
    written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    makes: dict[str, Make] = {}
    for voice in AGENTS:
        makes[SENTENCES.format(voice)] = functools.partial(_sentences, voice)
        makes[PROMPTS.format(voice)] = functools.partial(_prompts, voice, prompts)
    for number in shards:
        makes[f"{number:05d}.npz"] = functools.partial(_recordings, number, size)
    jobs = [
        (folder / name, checkpoint, device, make)
        for name, make in makes.items()
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


def _recordings(number: int, count: int, world: World, codec: Mimi) -> Iterator[Piece]:
    for index in range(count):
        wave, takes = record(world, np.random.default_rng((number, index)))
        yield encode(codec, wave), [asdict(take) for take in takes]


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


def _read(path: Path) -> Iterator[tuple[NDArray[np.int16], Any]]:
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
