"""The engine: one loaded model, S slots, one step for all conversations that have a frame."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from personaplex_ros.checkpoint import CheckpointFiles, TextTokenizer
from personaplex_ros.conversing.model import Startup
from personaplex_ros.conversing.sampling import Sampling
from personaplex_ros.conversing.saying import Saying
from personaplex_ros.conversing.step import StepResult
from personaplex_ros.engine.fault import ModelFault, fault_of
from personaplex_ros.engine.frames.captured import CapturedFrames
from personaplex_ros.engine.frames.frame import FrameModels, FrameOutput, PlainFrames, SlotStates
from personaplex_ros.engine.loading import choose_device, load_models
from personaplex_ros.engine.long_conversation import FRESH, PIN, ROLL, check_mode
from personaplex_ros.engine.persona_cache import PersonaCache
from personaplex_ros.engine.prepared import PreparedPersona
from personaplex_ros.engine.rereading import Rereading
from personaplex_ros.engine.session import Session
from personaplex_ros.engine.words.listening import Listening
from personaplex_ros.engine.words.saying import sentence_of
from personaplex_ros.engine.words.speaking import Speaking
from personaplex_ros.lm import LanguageModel, Sampler, Script
from personaplex_ros.lm.grid import UNSET
from personaplex_ros.lm.listening import ListeningHead
from personaplex_ros.mimi import Mimi
from personaplex_ros.nn.denormals import flush_denormals
from personaplex_ros.nn.state import reset_row
from personaplex_ros.persona import Persona


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
    thread than the one that steps; everything else belongs to one thread (``SharedEngine`` is for
    many). ``plain`` runs frames operation by operation on a GPU, too, instead of as CUDA graphs of
    few kernels: for debugging.
    """

    def __init__(
        self,
        lm: LanguageModel,
        codec: Mimi,
        tokenizer: TextTokenizer,
        voice_folders: list[Path],
        slots: int = 1,
        *,
        plain: bool = False,
        long_conversation: str = PIN,
        listening: ListeningHead | None = None,
    ):
        if slots < 1:
            raise ValueError(f"slots is {slots}; an engine needs at least 1")
        check_mode(long_conversation)
        config, device = lm.config, lm.text_emb.weight.device
        self.lm, self.codec, self.tokenizer = lm, codec, tokenizer
        self.voice_folders = voice_folders
        self.sample_rate = codec.config.sample_rate  # Hz
        self.frame_size = codec.config.frame_size  # samples
        self.frame_rate = codec.config.frame_rate  # Hz
        self.context_frames = config.context
        self.takes_persona = config.takes_persona
        self.long_conversation = long_conversation
        self.device = device
        self.startup = Startup()
        self.admitted = ""  # one thread has all slots, and lets in whom it will
        captured = device.type == "cuda" and not plain
        lm.fused = lm.fused and captured
        self._stream = torch.cuda.Stream(device, priority=-1) if device.type == "cuda" else None
        self._personas = PersonaCache(lm, codec, tokenizer, voice_folders)
        self._slots: list[Slot | None] = [None] * slots
        self._tainted: set[int] = set()  # slots whose states hold numbers that are not finite
        self._longest_delay = lm.grid_shape().longest_delay
        self._listening = None if listening is None else Listening(listening.words, slots)
        with torch.cuda.stream(self._stream):
            self.states = SlotStates(
                lm.initial_state(slots, pinning=long_conversation == PIN),
                codec.encoder_state(slots),
                codec.decoder_state(slots),
                Script.empty(slots, device),
            )
            self._rereading = None
            if long_conversation == FRESH:
                self._rereading = Rereading(lm, self.states.lm)
            lag = self._longest_delay
            self._speaking = Speaking(self.states.script, tokenizer, lag, self._on_device)
            vocabularies = (config.text_cardinality, config.cardinality)
            published = (Sampling.text_top_k, Sampling.audio_top_k)
            ranks = published if captured else (1, 1)  # graphs are made once, with room for these
            room = (min(ranks[0], vocabularies[0]), min(ranks[1], vocabularies[1]))
            self._sampler = Sampler(slots, config.codebooks, vocabularies, device, room)
            self._frames: PlainFrames | CapturedFrames
            models = FrameModels(lm, codec, lm.grid_shape(), listening)
            parts = (models, self.states, self._sampler)
            self.warm_frames: dict[int, float] = {}  # seconds by rows, every context full
            if captured:
                self._frames = CapturedFrames(*parts)
                started = time.perf_counter()
                self.warm_frames = self._frames.warm_up()
                self.startup = Startup(warm_up_s=time.perf_counter() - started)
            else:
                self._frames = PlainFrames(*parts)

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
        plain: bool = False,
        long_conversation: str = PIN,
        listens: bool = False,
    ) -> Engine:
        """Load a checkpoint folder (or the bundled one of that name) onto a device.

        ``device`` is a torch device or ``auto`` (CUDA where there is one). ``dtype`` is the
        language model's; None means bfloat16 on CUDA and float32 on a CPU. ``weights`` is how
        those of its linear layers are stored: "int8" or "float8" on a GPU, "float16" or "int8" on a
        CPU with dtype float32; None means float16 for a small model that is stored so on a CPU,
        else ``dtype``. Voices are looked for
        in ``voice_folders`` before the checkpoint's folder. ``threads`` is how many a CPU uses,
        for the whole process; None means one for a model so small that sharing its work out takes
        longer than doing it, else all cores. ``plain`` is for debugging, see the class.
        ``long_conversation`` says what stays of one that outlasts the model's context: "roll", as
        published, forgets the persona's prompt first; with "pin" the prompt stays, and nothing
        is seen from further away than the model was trained with; "fresh" begins the context anew
        before it is full, from the prompt and the last frames (``engine.rereading``).
        ``listens`` is for the person's words (``StepResult.heard``), by the checkpoint's listening
        head.
        Raises FileNotFoundError or ValueError naming file and remedy.
        """
        flush_denormals()
        started = time.perf_counter()
        check_mode(long_conversation)
        trained = long_conversation != ROLL
        place = choose_device(device)
        models = load_models(checkpoint, place, dtype, weights, threads, trained, listens)
        if models.lm.text_emb.weight.is_cuda:
            torch.cuda.synchronize(models.lm.text_emb.weight.device)
        load_s = time.perf_counter() - started
        folders = [*(voice_folders or []), models.folder]
        parts = (models.lm, models.codec, models.tokenizer, folders, slots)
        engine = Engine(
            *parts, plain=plain, long_conversation=long_conversation, listening=models.listening
        )
        engine.startup = Startup(load_s, engine.startup.warm_up_s)
        return engine

    def prepare(self, persona: Persona) -> PreparedPersona:
        """Take a persona's prompt through the model; the result can be started many times.

        The last few are kept, so that a persona that comes again costs nothing.
        """
        flush_denormals()
        if self._stream is None:
            return self._personas.prepare(persona)
        beside = torch.cuda.Stream(self.device)  # of lower priority than the frames
        with torch.cuda.stream(beside):
            prepared = self._personas.prepare(persona)
        beside.synchronize()
        return prepared

    def open(
        self,
        persona: Persona | PreparedPersona,
        sampling: Sampling | None = None,
        seed: int = 0,
    ) -> Session:
        """Begin a conversation in the first free slot. Raises RuntimeError when there is none."""
        if None not in self._slots:
            raise RuntimeError(f"all {len(self._slots)} slots are taken; close a session first")
        index = self._slots.index(None)
        prepared = persona if isinstance(persona, PreparedPersona) else self.prepare(persona)
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
        with self._on_device():
            self._sampler.change(session.slot, sampling)

    def say(self, session: Session, text: str) -> Saying:
        """Let the session say a text from the next step on; see ``Session.say``."""
        self._slot(session)
        return self._speaking.say(session.slot, text)

    def check_text(self, text: str) -> None:
        """Raise what ``say`` raises for a text that it does not take; any thread may ask."""
        sentence_of(text, self.tokenizer)

    def hush(self, session: Session) -> None:
        """End what the session is given to say; see ``Session.hush``."""
        self._slot(session)
        self._speaking.hush(session.slot)

    def keep_silent(self, session: Session) -> None:
        """Let the session say nothing; see ``Session.keep_silent``."""
        self._slot(session)
        self._speaking.keep_silent(session.slot)

    def go_on(self, session: Session) -> None:
        """Leave to the session what it says; see ``Session.go_on``."""
        self._slot(session)
        self._speaking.leave(session.slot)

    def position(self, session: Session) -> int:
        """Return the columns that the session has used."""
        self._slot(session)
        return self.states.lm.columns[session.slot]

    def prompt_in_reach(self, session: Session) -> bool:
        """Return whether the model still sees all of the session's prompt."""
        state, row = self.states.lm, session.slot
        prompt = self._slot(session).prepared.state.columns[0]
        lost = state.columns[row] - state.caches[0].keys.shape[2]
        return not prompt or state.pins[row] > 0 or lost <= 0

    @property
    def memory_bytes(self) -> int | None:
        """What torch has allocated on the engine's GPU; None on a CPU."""
        return torch.cuda.memory_allocated(self.device) if self.device.type == "cuda" else None

    def rows_with(self, sessions: int) -> int:
        """Return how many rows a frame has in which the first ``sessions`` slots take part."""
        return self._frames.rows_of(sessions - 1)

    def close(self, session: Session) -> None:
        """Free the session's slot."""
        self._slot(session)
        self._speaking.leave(session.slot)
        if self._rereading is not None:
            self._rereading.forget(session.slot)
        self._slots[session.slot] = None
        self.states.lm.columns[session.slot] = self.states.lm.pins[session.slot] = 0

    def step(self, frames: Mapping[Session, np.ndarray]) -> dict[Session, StepResult]:
        """Run one frame of every given conversation in one pass over the weights.

        Conversations that are not given stand still. Raises ValueError for a frame that is not
        float32 [frame_size] or not finite; then no conversation has moved. Raises ModelFault when
        the model's own numbers are not finite; it has the results of the conversations that are
        well.
        """
        if not frames:
            return {}
        flush_denormals()
        for session, frame in frames.items():
            self.check(session, frame)
        given = {session.slot: frame for session, frame in frames.items()}
        columns = self.states.lm.columns
        # Without a prompt, the first frames fall before the delays and are never spoken.
        speaking = [row for row in given if columns[row] >= self._longest_delay]
        with self._on_device():
            self._sampler.refill(list(given))
            spoken = self._frames.run(given, speaking)
        for row in given:
            columns[row] += 1
        results, faults = {}, {}
        for session in frames:
            if spoken.finite[session.slot].all():
                results[session] = self._result(session, spoken)
            else:
                self._tainted.add(session.slot)
                faults[session] = fault_of(session.steps, spoken.finite[session.slot])
            session.steps += 1
        if self._rereading is not None:
            silent = {session.slot: bool(result.silent) for session, result in results.items()}
            with self._on_device():
                self._rereading.follow(silent)
        if faults:
            raise ModelFault(faults, results)
        return results

    def _result(self, session: Session, spoken: FrameOutput) -> StepResult:
        tokens = spoken.tokens[session.slot]
        token = int(tokens[0])
        piece, silent = self._text(token)
        self._speaking.follow(session.slot, bool(silent))
        speech = spoken.audio[session.slot]
        heard = ""
        if self._listening is not None and spoken.heard is not None:
            heard = self._listening.follow(session.slot, int(spoken.heard[session.slot]))
        told = (token, piece, silent, tokens[1:], spoken.timing, heard)
        return StepResult(session.steps, speech, *told)

    def _begin(self, index: int) -> None:
        slot = self._slots[index]
        assert slot is not None
        with self._on_device():
            if index in self._tainted:  # also what is masked must be finite: 0 times NaN is NaN
                reset_row(self.states.lm.caches, index)
                self._tainted.discard(index)
            slot.prepared.start(self.states.lm, index)
            if self._rereading is not None:
                self._rereading.begin(index, slot.prepared)
            self.states.restart_codec(index)
            self._sampler.start(index, slot.sampling, slot.seed)
        if self._listening is not None:
            self._listening.restart(index)
        self._speaking.leave(index)
        slot.session.steps = 0

    def _slot(self, session: Session) -> Slot:
        slot = self._slots[session.slot]
        if slot is None or slot.session is not session:
            raise RuntimeError("this session is closed")
        return slot

    def check(self, session: Session, frame: np.ndarray) -> None:
        """Raise what ``step`` raises for a frame that it does not take."""
        self._slot(session)
        if frame.shape != (self.frame_size,) or frame.dtype != np.float32:
            raise ValueError(
                f"a frame must be float32 [{self.frame_size}] ({self.sample_rate} Hz); this one is "
                f"{frame.dtype} {list(frame.shape)}"
            )
        if not np.isfinite(frame).all():
            raise ValueError("a frame has samples that are not finite; replace them by 0")

    @contextmanager
    def _on_device(self) -> Iterator[None]:
        """Let what follows change what the frames use, queued where they run.

        All that does so must come through here: torch lets tensors that were made in inference
        mode be changed in that mode only.
        """
        with torch.inference_mode(), torch.cuda.stream(self._stream):
            yield

    def _text(self, token: int) -> tuple[str, str]:
        config = self.lm.config
        # What stands before the first frame, with no prompt, is not text either.
        if token in (config.text_padding, config.text_cardinality, UNSET):
            return "", "PAD"
        if token == config.text_end_padding:
            return "", "EPAD"
        return self.tokenizer.piece(token), ""
