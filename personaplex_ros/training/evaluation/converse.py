"""Conversations between planned callers and a model, many at a time."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from personaplex_ros.audio import write_wave
from personaplex_ros.engine import Engine, Persona, Sampling, Session, StepResult
from personaplex_ros.training.chance import pick
from personaplex_ros.training.conversations.corpus_making import prompt_texts, voice_sample
from personaplex_ros.training.evaluation.caller import Caller, Said
from personaplex_ros.training.evaluation.scenarios import Plan
from personaplex_ros.training.evaluation.sound import Sound, sounding
from personaplex_ros.training.voices.speakers import AGENTS
from personaplex_ros.training.voices.speech import RATE
from personaplex_ros.training.world import World

PROMPT_SENTENCES = 3  # of a voice's wave file


@dataclass(frozen=True, eq=False)
class Dialogue:
    """A conversation that was held.

    ``robot`` float32 [n] at 24 kHz is placed when it is heard: what a frame of the microphone is
    answered with is heard from that frame's end on. ``codes`` int64 [codebooks, F] are the frames
    of ``robot`` after the first, which is silent. ``pieces`` are (heard at, text); ``heard`` are
    the caller's words, (written at, word), where the model writes them down.
    """

    number: int
    plan: Plan
    voice_prompt: str  # "wave" or "pt"
    said: tuple[Said, ...]
    unsaid: int  # utterances for which there was no occasion, or no time
    robot: NDArray[np.float32]
    codes: NDArray[np.int64]
    sound: Sound
    pieces: tuple[tuple[float, str], ...]
    heard: tuple[tuple[float, str], ...] = ()

    def text(self, from_s: float, until_s: float) -> str:
        """Return what the robot's text stream says within a time."""
        return "".join(piece for at_s, piece in self.pieces if from_s <= at_s < until_s).strip()

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.robot) / RATE


@dataclass(frozen=True)
class Job:
    """A conversation to hold, and the voice to prompt with: a path or a name for the engine."""

    number: int
    plan: Plan
    voice_prompt: str
    voice: str


@dataclass
class Talk:
    """A conversation in progress: what its caller says, and what the model has answered."""

    job: Job
    caller: Caller
    results: list[StepResult] = field(default_factory=list)

    def hear(self, size: int) -> NDArray[np.float32]:
        """Let the caller hear the last frame and speak in the next."""
        # The answer to frame s is heard during frame s + 1: the caller knows it from s + 2 on.
        heard = self.results[-2].audio if len(self.results) > 1 else np.zeros(size, np.float32)
        return self.caller.frame(heard)

    def finish(self) -> Dialogue:
        """Return the conversation that was held."""
        size = len(self.results[0].audio)
        robot = np.concatenate([np.zeros(size, np.float32), *(r.audio for r in self.results)])
        times = [(i + 1) * size / RATE for i in range(len(self.results))]
        timed = list(zip(times, self.results, strict=True))
        pieces = tuple((at_s, r.piece) for at_s, r in timed if r.piece)
        heard = tuple((at_s, r.heard) for at_s, r in timed if r.heard)
        return Dialogue(
            self.job.number, self.job.plan, self.job.voice_prompt, tuple(self.caller.said),
            self.caller.unsaid, robot, np.stack([r.codes for r in self.results], axis=1),
            sounding(robot, RATE), pieces, heard,
        )  # fmt: skip


@dataclass(frozen=True)
class Stage:
    """Where conversations are held: ``slots`` of them at a time, on an engine of as many."""

    engine: Engine
    world: World
    slots: int
    sampling: Sampling
    seed: int

    def hold(self, plan: Callable[[int], Plan], count: int) -> Iterator[Dialogue]:
        """Hold conversations 0 to ``count``, with wave and embedded voice prompts in turn.

        Yields each when it is over, so in no fixed order.
        """
        with tempfile.TemporaryDirectory() as folder:
            waves = write_voices(self.world, Path(folder), self.seed)

            def jobs() -> Iterator[Job]:
                for number in range(count):
                    planned, wave = plan(number), number % 2 == 0
                    voice = str(waves[planned.voice]) if wave else f"{planned.voice}.pt"
                    yield Job(number, planned, "wave" if wave else "pt", voice)

            yield from self.run(jobs())

    def run(self, jobs: Iterator[Job]) -> Iterator[Dialogue]:
        """Hold these conversations; yields each when it is over."""
        talks: dict[Session, Talk] = {}
        while True:
            while len(talks) < self.slots and (job := next(jobs, None)) is not None:
                talks[self._open(job)] = Talk(job, self._caller(job))
            if not talks:
                return
            size = self.engine.frame_size
            frames = {session: talk.hear(size) for session, talk in talks.items()}
            for session, result in self.engine.step(frames).items():
                talks[session].results.append(result)
                if talks[session].caller.done:
                    session.close()
                    yield talks.pop(session).finish()

    def _open(self, job: Job) -> Session:
        persona = Persona(job.plan.facts.name, job.plan.prompt, job.voice)
        return self.engine.open(persona, self.sampling, self.seed * 1_000_003 + job.number)

    def _caller(self, job: Job) -> Caller:
        return Caller(job.plan, np.random.default_rng((self.seed, 6, job.number)))


def write_voices(world: World, folder: Path, seed: int) -> dict[str, Path]:
    """Write a wave file of each voice, with sentences drawn for it; returns their paths."""
    rng = np.random.default_rng(seed)
    texts = prompt_texts(world.agent_texts(rng, 1))
    paths = {}
    for voice in AGENTS:
        paths[voice] = folder / f"{voice}.wav"
        sample = voice_sample(voice, [pick(texts, rng) for _ in range(PROMPT_SENTENCES)])
        write_wave(paths[voice], sample, RATE)
    return paths
