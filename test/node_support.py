"""A bus in memory and an engine without a model, to test the node's behaviour alone."""

# ruff: noqa: D101, D102

from __future__ import annotations

import contextlib
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from personaplex_ros.engine import Sampling, Startup, StepResult, StepTiming
from personaplex_ros.node.bare.types import MessageTypes
from personaplex_ros.node.conversation import Conversation
from personaplex_ros.node.hosts.bus import Check, Qos, accept_all
from personaplex_ros.node.hosts.messages import set_time, time_ns
from personaplex_ros.node.parameters.table import Parameters
from personaplex_ros.persona import Persona

RATE, FRAME = 24_000, 1920
FRAME_NS = 80_000_000
TYPES = MessageTypes()


class Handle:
    def __init__(self, close: Callable[[], None]) -> None:
        self.close = close


class MemoryPublisher(Handle):
    def __init__(self, bus: MemoryBus, topic: str, type_name: str) -> None:
        super().__init__(lambda: bus.open_topics.discard(topic))
        self._bus, self._topic, self._class = bus, topic, bus.message(type_name)

    def publish(self, msg: Any) -> None:
        assert type(msg) is self._class
        # Through CDR and back: what does not fit the type fails here as it would on the wire.
        self._bus.published(self._topic, self._class.codec.decode(msg.codec.encode(msg)))


class MemoryClient(Handle):
    """A service's client whose server is the test: it answers by `answer`."""

    def __init__(self, bus: MemoryBus, name: str) -> None:
        super().__init__(lambda: bus.clients.pop(name, None) and None)
        self.available = False
        self.foreign = ""
        self.requests: list[Any] = []
        self._callbacks: list[Callable[[Any], None]] = []

    def ready(self) -> bool:
        return self.available and not self.foreign

    def obstacle(self) -> str:
        return self.foreign

    def call(self, request: Any, callback: Callable[[Any], None]) -> None:
        self.requests.append(request)
        self._callbacks.append(callback)

    def answer(self, success: bool = True, message: str = "") -> None:
        self._callbacks.pop(0)(SimpleNamespace(success=success, message=message))


class MemoryBus:
    """Keeps what is published; messages, requests and timers are driven by the test."""

    def __init__(self) -> None:
        self.topics: dict[str, list[Any]] = defaultdict(list)
        self.qos: dict[str, Qos] = {}
        self.open_topics: set[str] = set()
        self.callbacks: dict[str, Callable[[Any, str], None]] = {}
        self.services: dict[str, tuple[Any, Callable[[Any, Any], Any]]] = {}
        self.clients: dict[str, MemoryClient] = {}
        self.actions: dict[str, Callable[[Any], None]] = {}
        self.timers: dict[float, Callable[[], None]] = {}
        self.lines: list[tuple[str, str]] = []

    node_name = "/personaplex"
    other_nodes_of_this_name = 0

    def topic_name(self, topic: str) -> str:
        return f"/{topic}"

    def namesakes(self) -> int:
        return self.other_nodes_of_this_name

    def now_ns(self) -> int:
        return time.time_ns()

    def message(self, type_name: str) -> type:
        return TYPES.named(type_name)

    def advertise(self, topic: str, type_name: str, qos: Qos) -> MemoryPublisher:
        self.qos[topic] = qos
        self.open_topics.add(topic)
        return MemoryPublisher(self, topic, type_name)

    def subscribe(self, topic: str, type_name: str, qos: Qos, callback: Any) -> Handle:
        self.message(type_name)
        self.qos[topic] = qos
        self.callbacks[topic] = callback
        return Handle(lambda: self.callbacks.pop(topic, None) and None)

    def serve(self, name: str, type_name: str, handler: Any, slow: bool = False) -> Handle:
        self.services[name] = (self.message(type_name), handler)
        return Handle(lambda: self.services.pop(name, None) and None)

    def client(self, name: str, type_name: str) -> MemoryClient:
        self.message(type_name)
        self.clients[name] = MemoryClient(self, name)
        return self.clients[name]

    def serve_action(
        self, name: str, type_name: str, begin: Callable[[Any], None], check: Check = accept_all
    ) -> Handle:
        def take(goal: Any) -> None:
            try:
                check(goal.request)
            except Exception as error:
                self.log("warn", f"{name}: rejected a goal: {error}")
                goal.outcome = "rejected"
            else:
                begin(goal)

        self.actions[name] = take
        return Handle(lambda: self.actions.pop(name, None) and None)

    def every(self, period_s: float, callback: Callable[[], None]) -> Handle:
        self.timers[period_s] = callback
        return Handle(lambda: self.timers.pop(period_s, None) and None)

    def log(self, level: str, text: str) -> None:
        self.lines.append((level, text))

    def published(self, topic: str, msg: Any) -> None:
        self.topics[topic].append(msg)

    def wait_for(self, condition: Callable[[], Any], timeout_s: float = 10.0) -> Any:
        """Return what the condition gives once it is true; fails after the time."""
        deadline = time.monotonic() + timeout_s
        while not (value := condition()):
            assert time.monotonic() < deadline, "did not happen in time"
            time.sleep(0.001)
        return value

    def wait_for_log(self, text: str) -> str:
        def found() -> str:
            return next((line for _, line in self.lines if text in line), "")

        return self.wait_for(found)

    def call(self, name: str, **request: Any) -> Any:
        service, handler = self.services[name]
        return handler(service.Request(**request), service.Response())

    def diagnostics(self) -> dict[str, Any]:
        """Run the diagnostics timer once; return its statuses by short name."""
        before = len(self.topics["/diagnostics"])
        self.timers[1.0]()
        statuses = self.topics["/diagnostics"][before].status
        return {
            status.name.removeprefix("personaplex: "): SimpleNamespace(
                level=int(status.level),
                message=status.message,
                values={pair.key: pair.value for pair in status.values},
            )
            for status in statuses
        }


@dataclass
class FakeSession:
    """Echoes the microphone one frame late; a word comes with every fifth frame that sounds."""

    engine: FakeEngine
    persona: Persona
    seed: int
    sampling: Sampling
    steps: int = 0
    heard: list[np.ndarray] = field(default_factory=list)
    starts: list[tuple[str, int]] = field(default_factory=list)
    threads: set[int] = field(default_factory=set)
    closed: bool = False
    kept_silent: bool = False
    before_push: Callable[[int], None] = lambda step: None
    speech: Callable[[np.ndarray], np.ndarray] = lambda frame: frame
    hears: Callable[[int], str] = lambda step: ""

    link = None

    @property
    def position(self) -> int:
        return 30 + self.steps

    @property
    def prompt_in_reach(self) -> bool:
        return True

    def push(self, frame: np.ndarray) -> StepResult:
        assert frame.shape == (FRAME,) and frame.dtype == np.float32
        self.threads.add(threading.get_ident())
        self.before_push(self.steps)
        previous = self.heard[-1] if self.heard else np.zeros(FRAME, np.float32)
        self.heard.append(frame)
        index, self.steps = self.steps, self.steps + 1
        piece = f" word{index}" if index % 5 == 4 and previous.any() else ""
        return StepResult(
            index=index,
            audio=self.speech(previous),
            token=100 + index if piece else 3,
            piece=piece,
            silent="" if piece else "PAD",
            codes=np.zeros(8, np.int64),
            timing=StepTiming(0.0, 0.0, 0.0, 0.0, 0.0),
            heard=self.hears(index),
        )

    def restart(self, persona: Any = None, seed: int | None = None) -> None:
        self.persona = persona or self.persona
        self.seed = self.seed if seed is None else seed
        self.steps = 0
        self.starts.append((self.persona.name, self.seed))

    def set_sampling(self, sampling: Sampling) -> None:
        self.sampling = sampling

    def hush(self) -> None:
        pass

    def keep_silent(self) -> None:
        self.kept_silent = True

    def go_on(self) -> None:
        self.kept_silent = False

    def close(self) -> None:
        self.closed = True


@dataclass(frozen=True)
class FakePrepared(Persona):
    left_out: str = ""

    @property
    def persona(self) -> Persona:
        return self


class FakeEngine:
    sample_rate, frame_size, frame_rate, context_frames = RATE, FRAME, 12.5, 3000
    device = torch.device("cpu")
    startup = Startup()
    long_conversation = "pin"
    memory_bytes = None
    admitted = ""

    def __init__(self) -> None:
        self.sessions: list[FakeSession] = []
        self.prepared: list[Persona] = []
        self.left_out = ""
        self.before_prepare: Callable[[], None] = lambda: None

    def prepare(self, persona: Persona) -> FakePrepared:
        self.before_prepare()
        if persona.voice == "unknown":
            raise FileNotFoundError("no voice named unknown; there are: NATF0")
        self.prepared.append(persona)
        return FakePrepared(persona.name, persona.text_prompt, persona.voice, self.left_out)

    def check_text(self, text: str) -> None:
        if not text.strip():
            raise ValueError("there is no word to say")

    def open(self, persona: Persona, sampling: Sampling, seed: int) -> FakeSession:
        self.sessions.append(FakeSession(self, persona, seed, sampling))
        return self.sessions[-1]


@dataclass
class Robot:
    """A conversation on the two fakes."""

    bus: MemoryBus
    engine: FakeEngine
    conversation: Conversation
    next_sample: int = 0
    next_stamp_ns: int = 0

    @property
    def session(self) -> FakeSession:
        return self.engine.sessions[-1]

    @property
    def frames(self) -> int:
        """Frames that were answered completely since the activation."""
        running = self.conversation._stage.running
        return 0 if running is None else running.thread.statistics.frames

    def audio(self, samples: np.ndarray, **changes: Any) -> Any:
        """Return the next AudioFrame of the stream with int16 `samples`."""
        msg = self.bus.message("personaplex_ros/msg/AudioFrame")()
        msg.sample_rate, msg.channels = changes.get("rate", RATE), changes.get("channels", 1)
        msg.first_sample = changes.get("first_sample", self.next_sample)
        self.next_stamp_ns = self.next_stamp_ns or time.time_ns()
        set_time(msg.header.stamp, self.next_stamp_ns)
        msg.data = samples.astype(np.int16)
        frames = len(samples) // max(1, msg.channels)
        self.next_sample = msg.first_sample + frames
        self.next_stamp_ns += frames * 1_000_000_000 // max(1, msg.sample_rate)
        return msg

    def send(self, msg: Any, publisher: str = "microphone") -> None:
        self.bus.callbacks["audio_in"](msg, publisher)

    def hear(self, frames: int = 1, level: int = 1000) -> None:
        """Send frames one by one, each when the one before was answered."""
        for _ in range(frames):
            answered = self.frames
            self.send(self.audio(np.full(FRAME, level)))
            self.bus.wait_for(lambda n=answered: self.frames > n)


@contextlib.contextmanager
def robot(activate: bool = True, **parameters: Any) -> Iterator[Robot]:
    """Run a conversation for the length of the block; audio is never late unless asked for."""
    bus, engine = MemoryBus(), FakeEngine()
    # The fake model repeats the microphone, which would be cancelled as the robot's own voice.
    values = {"late_audio_timeout_s": 2.0, "echo_cancellation": "off", **parameters}
    conversation = Conversation(bus, Parameters.of(values), lambda parameters: engine)
    try:
        if activate:
            conversation.configure()
            conversation.activate()
        yield Robot(bus, engine, conversation)
    finally:
        conversation.shutdown()


def stamps(messages: list[Any]) -> list[int]:
    return [time_ns(msg.header.stamp) for msg in messages]


def talks(one: Robot, timeout_s: float = 10.0) -> bool:
    """Send sound until the robot answers with sound; silence may stand in meanwhile."""
    before = len(one.bus.topics["audio_out"])
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        one.send(one.audio(np.full(FRAME, 1000)))
        time.sleep(0.05)
        if any(message.data.any() for message in one.bus.topics["audio_out"][before:]):
            return True
    return False
