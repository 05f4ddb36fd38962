"""The engine: one loaded model, S slots, one step for all conversations that have a frame."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from personaplex_ros.checkpoint import (
    CheckpointFiles,
    TextTokenizer,
    find_voice,
    load_codec,
    load_language_model,
    load_voice,
    stored_in_half,
)
from personaplex_ros.engine.clock import StepClock
from personaplex_ros.engine.packing import check_packable, pack
from personaplex_ros.engine.prepared import PreparedPersona, prepare
from personaplex_ros.engine.session import Session, StepResult
from personaplex_ros.lm import LanguageModel, Sampler, Sampling
from personaplex_ros.lm.grid import UNSET
from personaplex_ros.mimi import Mimi
from personaplex_ros.nn.packed import available
from personaplex_ros.persona import Persona

SMALL_BYTES = 200 << 20  # language models of smaller files run on one thread of a CPU
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass
class Slot:
    """What the engine remembers of the conversation in one slot."""

    session: Session
    prepared: PreparedPersona
    sampling: Sampling
    seed: int


class Engine:
    """Runs conversations with a model on one device.

    It knows no clock, no thread and no audio device: the caller pushes a frame a conversation
    and gets a frame of speech and a piece of text back. ``prepare`` may be called from another
    thread than the one that steps; everything else belongs to one thread.
    """

    def __init__(
        self,
        lm: LanguageModel,
        codec: Mimi,
        tokenizer: TextTokenizer,
        voice_folders: list[Path],
        slots: int = 1,
    ):
        if slots < 1:
            raise ValueError(f"slots is {slots}; an engine needs at least 1")
        config, device = lm.config, lm.text_emb.weight.device
        self.lm, self.codec, self.tokenizer = lm, codec, tokenizer
        self.voice_folders = voice_folders
        self.sample_rate = codec.config.sample_rate  # Hz
        self.frame_size = codec.config.frame_size  # samples
        self.frame_rate = codec.config.frame_rate  # Hz
        self.context_frames = config.context
        self.device = device
        self._slots: list[Slot | None] = [None] * slots
        self._shape = lm.grid_shape()
        self._state = lm.initial_state(slots)
        self._hearing = codec.encoder_state(slots)
        self._speaking = codec.decoder_state(slots)
        vocabularies = (config.text_cardinality, config.cardinality)
        self._sampler = Sampler(slots, config.codebooks, vocabularies, device)
        self._frames = torch.zeros(slots, 1, self.frame_size, device=device)

    @staticmethod
    def load(
        checkpoint: str | Path | CheckpointFiles,
        *,
        device: str = "auto",
        dtype: str | None = None,
        weights: str | None = None,
        slots: int = 1,
        voice_folders: list[Path] | None = None,
        threads: int | None = None,
    ) -> Engine:
        """Load a checkpoint folder (or the bundled one of that name) onto a device.

        ``device`` is a torch device or ``auto`` (CUDA where there is one). ``dtype`` is the
        language model's; None means bfloat16 on CUDA and float32 on a CPU. ``weights`` is how a CPU
        stores those of its linear layers: "float16" or "int8", with dtype float32; None means
        float16 for a small model that is stored so, else ``dtype``. Voices are looked for
        in ``voice_folders`` before the checkpoint's folder. ``threads`` is how many a CPU uses,
        for the whole process; None means one for a model so small that sharing its work out takes
        longer than doing it, else all cores.
        Raises FileNotFoundError or ValueError naming file and remedy.
        """
        _flush_denormals()
        place = choose_device(device)
        if dtype is None:
            dtype = "bfloat16" if place.type == "cuda" else "float32"
        if weights is not None:
            check_packable(weights, place, dtype)
        if dtype not in DTYPES:
            raise ValueError(f"dtype is {dtype!r}; it must be one of {', '.join(DTYPES)}")
        files = checkpoint
        if not isinstance(files, CheckpointFiles):
            files = CheckpointFiles.find(files)
        small = files.model.stat().st_size < SMALL_BYTES
        if place.type == "cpu":
            torch.set_num_threads(threads or (1 if small else os.cpu_count() or 1))
            plain = weights is None and dtype == "float32"
            if plain and small and available() and stored_in_half(files.model):
                weights = "float16"
        codec = load_codec(files.mimi, files.mimi_config, place)
        if weights is None:
            lm = load_language_model(files.model, files.config, place, DTYPES[dtype])
        else:  # what is not packed is float32 in the end
            stored = torch.float32 if small else None
            lm = load_language_model(files.model, files.config, place, stored)
            pack(lm, weights)
        if place.type == "cpu" and not small:
            pack(codec, "float32")
        elif weights == "float16" and stored_in_half(files.mimi):
            pack(codec, "float16")
        if codec.config.codebooks < lm.config.codebooks:
            raise ValueError(
                f"{files.mimi} has {codec.config.codebooks} codebooks, {files.model} needs "
                f"{lm.config.codebooks}; they do not belong together"
            )
        tokenizer = TextTokenizer(files.tokenizer, lm.config.text_cardinality)
        return Engine(lm, codec, tokenizer, [*(voice_folders or []), files.directory], slots)

    def prepare(self, persona: Persona) -> PreparedPersona:
        """Take a persona's prompt through the model; the result can be started many times."""
        _flush_denormals()
        voice = None
        if persona.voice:
            voice = load_voice(find_voice(persona.voice, self.voice_folders), self.sample_rate)
        return prepare(persona, voice, self.lm, self.codec, self.tokenizer)

    def open(
        self,
        persona: Persona | PreparedPersona,
        sampling: Sampling | None = None,
        seed: int = 0,
    ) -> Session:
        """Begin a conversation in a free slot. Raises RuntimeError when there is none."""
        if None not in self._slots:
            raise RuntimeError(f"all {len(self._slots)} slots are taken; close a session first")
        prepared = persona if isinstance(persona, PreparedPersona) else self.prepare(persona)
        index = self._slots.index(None)
        session = Session(self, index)
        self._slots[index] = Slot(session, prepared, sampling or Sampling(), seed)
        self._begin(index)
        return session

    def restart(
        self, session: Session, persona: Persona | PreparedPersona | None, seed: int | None
    ) -> None:
        """Begin anew in the session's slot; see ``Session.restart``."""
        slot = self._slot(session)
        if isinstance(persona, Persona):
            persona = self.prepare(persona)
        slot.prepared = persona or slot.prepared
        slot.seed = slot.seed if seed is None else seed
        self._begin(session.slot)

    def set_sampling(self, session: Session, sampling: Sampling) -> None:
        """Change how the session's tokens are chosen, from the next step on."""
        self._slot(session).sampling = sampling
        self._sampler.change(session.slot, sampling)

    def position(self, session: Session) -> int:
        """Return the columns that the session has used."""
        self._slot(session)
        return self._state.columns[session.slot]

    def close(self, session: Session) -> None:
        """Free the session's slot."""
        self._slot(session)
        self._slots[session.slot] = None
        self._state.columns[session.slot] = 0

    @torch.inference_mode()
    def step(self, frames: Mapping[Session, np.ndarray]) -> dict[Session, StepResult]:
        """Run one frame of every given conversation in one pass over the weights.

        Conversations that are not given stand still. Raises ValueError for a frame that is not
        float32 [frame_size] or not finite; then no conversation has moved.
        """
        if not frames:
            return {}
        _flush_denormals()
        for session, frame in frames.items():
            self._check(session, frame)
            self._frames[session.slot, 0] = torch.from_numpy(frame)
        rows = [session.slot for session in frames]
        columns = self._state.columns
        even = len(set(columns)) == 1
        active = self._mask(rows)
        # Without a prompt, the first frames fall before the delays and are never spoken.
        speaking = self._mask([row for row in rows if columns[row] >= self._shape.longest_delay])
        self._sampler.refill(rows)
        clock = StepClock(self.device)
        codebooks = self.lm.config.codebooks
        heard = self.codec.encode(self._frames, self._hearing, codebooks, active)
        clock.mark()
        hidden = self.lm.temporal_step(self._state, heard[..., 0], self._shape, even)
        clock.mark()
        tokens = self.lm.depth_step(
            self._state, hidden, self._shape, self._sampler.text, self._sampler.audio, active
        )
        for row in rows:
            columns[row] += 1
        clock.mark()
        codes = tokens[:, 1:, None]
        if speaking is not None:
            codes = codes.clamp(0, self.lm.config.cardinality - 1) * speaking.view(-1, 1, 1)
        audio = self.codec.decode(codes, self._speaking, speaking)
        if speaking is not None:
            audio = audio * speaking.view(-1, 1, 1)
        host_audio, host_tokens = audio.cpu().numpy(), tokens.cpu().numpy()
        clock.mark()
        timing = clock.timing()
        results = {}
        for session in frames:
            token, spoken = int(host_tokens[session.slot, 0]), host_tokens[session.slot, 1:]
            piece, silent = self._text(token)
            speech = host_audio[session.slot, 0]
            results[session] = StepResult(
                session.steps, speech, token, piece, silent, spoken, timing
            )
            session.steps += 1
        return results

    @torch.inference_mode()
    def _begin(self, index: int) -> None:
        slot = self._slots[index]
        assert slot is not None
        slot.prepared.start(self._state, index)
        self._hearing.restart(index)
        self._speaking.restart(index)
        self._sampler.start(index, slot.sampling, slot.seed)
        slot.session.steps = 0

    def _slot(self, session: Session) -> Slot:
        slot = self._slots[session.slot]
        if slot is None or slot.session is not session:
            raise RuntimeError("this session is closed")
        return slot

    def _check(self, session: Session, frame: np.ndarray) -> None:
        self._slot(session)
        if frame.shape != (self.frame_size,) or frame.dtype != np.float32:
            raise ValueError(
                f"a frame must be float32 [{self.frame_size}] ({self.sample_rate} Hz); this one is "
                f"{frame.dtype} {list(frame.shape)}"
            )
        if not np.isfinite(frame).all():
            raise ValueError("a frame has samples that are not finite; replace them by 0")

    def _mask(self, rows: list[int]) -> Tensor | None:
        if len(rows) == len(self._slots):
            return None
        mask = torch.zeros(len(self._slots), dtype=torch.bool)
        mask[rows] = True
        return mask.to(self.device)

    def _text(self, token: int) -> tuple[str, str]:
        config = self.lm.config
        # What stands before the first frame, with no prompt, is not text either.
        if token in (config.text_padding, config.text_cardinality, UNSET):
            return "", "PAD"
        if token == config.text_end_padding:
            return "", "EPAD"
        return self.tokenizer.piece(token), ""


def _flush_denormals() -> None:
    """Let this thread take denormal numbers, which silence ends in, for 0.

    They make some CPUs many times slower. The setting belongs to a thread and is inherited by the
    workers that it starts, so it must come before the thread's first parallel work.
    """
    for kind in (np.float32, np.float64):
        np.finfo(kind)  # numpy measures its denormals once, and warns where it finds none
    torch.set_flush_denormal(True)


def choose_device(name: str) -> torch.device:
    """Return a torch device; ``auto`` is CUDA where there is one. Raises ValueError for others."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ValueError(f"device {name!r} is not known to torch: {error}") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"device {name!r} was asked for, but torch finds no CUDA device; use cpu")
    return device
