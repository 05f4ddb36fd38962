"""An engine for many robots: each pushes frames when they come, one pass serves all that wait."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any, TypeVar

import numpy as np
import torch

from personaplex_ros.conversing.model import Startup
from personaplex_ros.conversing.sampling import Sampling
from personaplex_ros.conversing.saying import Saying
from personaplex_ros.conversing.step import StepResult
from personaplex_ros.engine.admission import SHARE, Admission
from personaplex_ros.engine.engine import Engine
from personaplex_ros.engine.fault import ModelFault
from personaplex_ros.engine.prepared import PreparedPersona
from personaplex_ros.engine.session import Session
from personaplex_ros.persona import Persona

T = TypeVar("T")


class SharedEngine:
    """Lets the sessions of an engine be used by a thread each.

    A thread of its own does all that an engine wants from one thread. As soon as a frame is done it
    begins the next, with every frame that waits by then, so nobody waits for more than two frames'
    time, and robots need not be in step. Sessions come, go and restart between two frames.

    ``admission_share`` is how much of a frame's time (0 to 1) a step may take, with one more
    session, for that session to be opened. ``admitted`` says what the last was opened on.
    """

    def __init__(self, engine: Engine, admission_share: float = SHARE):
        self._engine = engine
        self._admission = Admission(1 / engine.frame_rate, engine.warm_frames, admission_share)
        self.admitted = ""
        self._work = threading.Condition()
        self._frames: dict[Session, tuple[np.ndarray, Future[StepResult]]] = {}
        self._tasks: deque[tuple[Callable[[], Any], Future[Any]]] = deque()
        self._open: set[Session] = set()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._thread.start()

    @property
    def sample_rate(self) -> int:
        """Samples a second of both sides, in Hz."""
        return self._engine.sample_rate

    @property
    def frame_size(self) -> int:
        """Samples a frame."""
        return self._engine.frame_size

    @property
    def context_frames(self) -> int:
        """Columns that the model can look back."""
        return self._engine.context_frames

    @property
    def long_conversation(self) -> str:
        """What is kept of a conversation that outlasts the context; see ``Engine.load``."""
        return self._engine.long_conversation

    @property
    def device(self) -> torch.device:
        """Where the model runs."""
        return self._engine.device

    @property
    def memory_bytes(self) -> int | None:
        """What torch has allocated on the engine's GPU; None on a CPU."""
        return self._engine.memory_bytes

    @property
    def startup(self) -> Startup:
        """How long the engine took to start."""
        return self._engine.startup

    @property
    def sessions(self) -> int:
        """Sessions that are open."""
        return len(self._open)

    @property
    def obstacle(self) -> str:
        """Why frames would take too long with one more session; empty where they would not."""
        try:
            self._admit(len(self._open))
        except RuntimeError as error:
            return str(error)
        return ""

    def prepare(self, persona: Persona) -> PreparedPersona:
        """Take a persona's prompt through the model, in the caller's thread, beside the frames."""
        return self._engine.prepare(persona)

    def check_text(self, text: str) -> None:
        """Raise what ``Session.say`` raises for a text that it does not take."""
        self._engine.check_text(text)

    def open(
        self,
        persona: Persona | PreparedPersona,
        sampling: Sampling | None = None,
        seed: int = 0,
    ) -> SharedSession:
        """Begin a conversation in a free slot.

        Raises RuntimeError when there is none, or when frames would take too long with one more.
        """
        prepared = persona if isinstance(persona, PreparedPersona) else self.prepare(persona)

        def begin() -> Session:
            self.admitted = self._admit(len(self._open)) or self.admitted
            session = self._engine.open(prepared, sampling, seed)
            self._open.add(session)
            return session

        return SharedSession(self, self.between_frames(begin))

    def _admit(self, others: int) -> str:
        """Say what speaks for a session beside others; raises RuntimeError with what is against."""
        if not others:  # the first is welcome on any device
            return ""
        return self._admission.check(self._engine.rows_with(others + 1))

    def push(self, session: Session, frame: np.ndarray) -> StepResult:
        """Run a frame of one session together with those of others; see ``Session.push``."""
        self._engine.check(session, frame)
        answer: Future[StepResult] = Future()
        with self._work:
            self._expect_open()
            if session in self._frames:
                raise RuntimeError("this session's frame before is not done yet")
            self._frames[session] = (frame, answer)
            self._work.notify()
        return answer.result()

    def between_frames(self, task: Callable[[], T]) -> T:
        """Do something with the engine before the next frame begins; raises what it raises."""
        done: Future[T] = Future()
        with self._work:
            self._expect_open()
            self._tasks.append((task, done))
            self._work.notify()
        return done.result()

    def forget(self, session: Session) -> None:
        """Close a session."""

        def close() -> None:
            self._open.discard(session)
            session.close()

        self.between_frames(close)

    def close(self) -> None:
        """End the thread; who waits for a frame gets a RuntimeError."""
        with self._work:
            self._closed = True
            self._work.notify()
        self._thread.join()

    def _expect_open(self) -> None:
        if self._closed:
            raise RuntimeError("this engine is closed")

    def _run(self) -> None:
        while True:
            with self._work:
                self._work.wait_for(lambda: self._tasks or self._frames or self._closed)
                if self._closed:
                    break
                tasks, self._tasks = self._tasks, deque()
            for task, done in tasks:
                _settle(done, task)
            with self._work:
                frames, self._frames = self._frames, {}
            if frames:
                self._step(frames)
        gone = RuntimeError("this engine is closed")
        for _, done in [*self._tasks, *self._frames.values()]:
            done.set_exception(gone)

    def _step(self, waiting: dict[Session, tuple[np.ndarray, Future[StepResult]]]) -> None:
        # One that was closed meanwhile must not fail the others.
        frames = {s: frame for s, (frame, _) in waiting.items() if s in self._open}
        started = time.perf_counter()
        faults: Mapping[Session, str] = {}
        try:
            results: Mapping[Session, StepResult] = self._engine.step(frames)
        except ModelFault as fault:  # of some; the others have their results
            results, faults = fault.results, fault.faults
        except BaseException as error:  # whoever waits must be told, and the thread must go on
            for _, answer in waiting.values():
                answer.set_exception(error)
            return
        if frames:
            rows = self._engine.rows_with(1 + max(session.slot for session in frames))
            self._admission.note(rows, time.perf_counter() - started)
        for session, (_, answer) in waiting.items():
            if session in results:
                answer.set_result(results[session])
            else:
                gone = RuntimeError(faults.get(session, "this session is closed"))
                answer.set_exception(gone)


class SharedSession:
    """One conversation on a shared engine, with the methods of ``Session``; for one thread."""

    def __init__(self, engine: SharedEngine, session: Session):
        self._engine = engine
        self._session = session
        self.link = None  # the model runs here

    @property
    def position(self) -> int:
        """Columns that the model has read, the prompt's included."""
        return self._session.position

    @property
    def prompt_in_reach(self) -> bool:
        """Whether the model still sees all of the prompt."""
        return self._session.prompt_in_reach

    def push(self, frame: np.ndarray) -> StepResult:
        """Hear one frame, float32 [frame_size] in [-1, 1], and return the agent's answer to it."""
        return self._engine.push(self._session, frame)

    def restart(
        self, persona: Persona | PreparedPersona | None = None, seed: int | None = None
    ) -> None:
        """Begin a new conversation in the same slot; None keeps the persona or the seed."""
        if isinstance(persona, Persona):
            persona = self._engine.prepare(persona)
        self._engine.between_frames(lambda: self._session.restart(persona, seed))

    def set_sampling(self, sampling: Sampling) -> None:
        """Go on with other sampling settings."""
        self._engine.between_frames(lambda: self._session.set_sampling(sampling))

    def say(self, text: str) -> Saying:
        """Let the agent say a text; see ``Session.say``."""
        return self._engine.between_frames(lambda: self._session.say(text))

    def hush(self) -> None:
        """End what the agent was given to say; see ``Session.hush``."""
        self._engine.between_frames(self._session.hush)

    def keep_silent(self) -> None:
        """Let the agent say nothing; see ``Session.keep_silent``."""
        self._engine.between_frames(self._session.keep_silent)

    def go_on(self) -> None:
        """Leave to the model what it says; see ``Session.go_on``."""
        self._engine.between_frames(self._session.go_on)

    def close(self) -> None:
        """Give the slot back. A closed session cannot be used again."""
        self._engine.forget(self._session)


def _settle(done: Future[Any], task: Callable[[], Any]) -> None:
    try:
        result = task()
    except BaseException as error:
        done.set_exception(error)
    else:
        done.set_result(result)
