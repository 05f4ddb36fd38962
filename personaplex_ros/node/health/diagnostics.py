"""What /diagnostics says about the conversation, the model and the microphone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass

from personaplex_ros.conversing.link import LinkSnapshot
from personaplex_ros.node.health.cards import CardSnapshot, card_status
from personaplex_ros.node.health.echo import EchoSnapshot, echo_status
from personaplex_ros.node.health.growth import Growth
from personaplex_ros.node.health.microphone import MicrophoneHealth, MicrophoneSnapshot
from personaplex_ros.node.health.recording import RecordingSnapshot, recording_status
from personaplex_ros.node.health.tether import tether_status
from personaplex_ros.node.health.timing import FrameStatistics, Percentiles
from personaplex_ros.node.health.topic import DiagnosticsTopic, Told
from personaplex_ros.node.hosts.bus import Bus
from personaplex_ros.node.hosts.messages import (
    CONVERSATION,
    ERROR,
    OK,
    WARN,
    Status,
)
from personaplex_ros.node.motion.outputs import MotionSnapshot
from personaplex_ros.node.parameters.definition import State
from personaplex_ros.node.visits.visits import VisitCounters


@dataclass(frozen=True)
class ModelSnapshot:
    """The loaded model; `memory_bytes` is None on a CPU, `context_used` from 0 to 1.

    Of a model elsewhere, `context_used` and `prompt_in_reach` are None: its server does not tell.
    """

    persona: str
    checkpoint: str
    device: str
    memory_bytes: int | None
    context_used: float | None
    long_conversation: str
    prompt_in_reach: bool | None


@dataclass(frozen=True)
class RunningSnapshot:
    """The active conversation; `waiting_s` is how much microphone audio waits for the model.

    `trouble` says why the model's thread does nothing; empty while it works.
    """

    statistics: FrameStatistics
    microphone: MicrophoneSnapshot
    waiting_s: float
    filling: bool
    failed: bool
    trouble: str
    visits: VisitCounters
    echo: EchoSnapshot


@dataclass(frozen=True)
class Snapshot:
    """Everything diagnostics tell; None for what does not exist in this state.

    `namesake` tells of another node of the same name, empty if there is none. `cards` are the sound
    cards in use, `link` the connection to a model that runs elsewhere.
    """

    state: State
    model: ModelSnapshot | None = None
    running: RunningSnapshot | None = None
    motion: MotionSnapshot | None = None
    sink_problem: str = ""
    namesake: str = ""
    cards: tuple[CardSnapshot, ...] = ()
    recording: RecordingSnapshot | None = None
    link: LinkSnapshot | None = None


class Diagnostics:
    """Publishes a DiagnosticArray periodically, in every state of the node."""

    def __init__(self, bus: Bus, period_s: float, snapshot: Callable[[], Snapshot]) -> None:
        self._bus = bus
        self._snapshot = snapshot
        self._troubled = False
        self._growth = Growth()
        self._health = MicrophoneHealth(bus.log)
        self._topic = DiagnosticsTopic(bus, period_s, self._look)

    def close(self) -> None:
        """Stop."""
        self._topic.close()

    def _look(self) -> Told:
        snapshot = self._snapshot()
        self._tell(snapshot.running)
        device = snapshot.model.device if snapshot.model else ""
        statuses = [_conversation(snapshot, self._growth)]
        if snapshot.running is not None:
            statuses.append(_model(snapshot.running, self._growth))
            statuses.append(_microphone(snapshot.running, self._health))
            statuses.append(echo_status(snapshot.running.echo))
        else:
            self._health.forget()
        if snapshot.link is not None:
            statuses.append(tether_status(snapshot.link, self._growth))
        statuses += [card_status(card, self._growth) for card in snapshot.cards]
        if snapshot.motion is not None:
            statuses.append(_motion(snapshot.motion, self._growth))
        if snapshot.recording is not None:
            statuses.append(recording_status(snapshot.recording, self._growth))
        return device, statuses

    def _tell(self, running: RunningSnapshot | None) -> None:
        """Log once that the model's thread is stuck or dead: it cannot do so itself."""
        trouble = "" if running is None else running.trouble
        if trouble and not self._troubled:
            self._bus.log("error", f"the robot is silent: {trouble}")
        self._troubled = bool(trouble)


def _conversation(snapshot: Snapshot, growth: Growth) -> Status:
    values = [("state", snapshot.state.name.lower())]
    if snapshot.model is not None:
        values += [
            ("persona", snapshot.model.persona),
            ("checkpoint", snapshot.model.checkpoint),
            ("device", snapshot.model.device),
        ]
        values += _context(snapshot.model)
        if snapshot.model.memory_bytes is not None:
            values.append(("GPU memory", f"{snapshot.model.memory_bytes / 2**20:.0f} MiB"))
    level, message = OK, snapshot.state.name.lower()
    if growth.of("sink problem", bool(snapshot.sink_problem)):
        level, message = WARN, snapshot.sink_problem
    if snapshot.sink_problem:
        values.append(("sink problem", snapshot.sink_problem))
    if snapshot.namesake:
        level, message = WARN, snapshot.namesake
    running = snapshot.running
    if running is not None:
        statistics = running.statistics
        values += [
            ("faults", str(statistics.faults)),
            ("restarts", str(statistics.restarts)),
            ("last fault", statistics.last_fault),
            *(
                (name.replace("_", " "), str(value))
                for name, value in asdict(running.visits).items()
            ),
        ]
        new_faults = growth.of("faults", statistics.faults)
        if running.trouble:
            level, message = ERROR, running.trouble
        elif running.failed:
            level, message = ERROR, f"silent after a fault, call ~/reset: {statistics.last_fault}"
        elif new_faults:
            level, message = ERROR, f"began again after a fault: {statistics.last_fault}"
    return Status(CONVERSATION, level, message, values)


def _context(model: ModelSnapshot) -> list[tuple[str, str]]:
    if model.context_used is None:
        return []
    return [
        ("context used", f"{100 * model.context_used:.1f} %"),
        ("long conversation", model.long_conversation),
        ("persona in reach", "yes" if model.prompt_in_reach else "no"),
    ]


def _model(running: RunningSnapshot, growth: Growth) -> Status:
    statistics = running.statistics
    values = [("frames", str(statistics.frames)), ("late frames", str(statistics.late))]
    for name, ring in (
        ("frame time", statistics.frame),
        ("model time", statistics.model),
        ("turn-taking time", statistics.turns),
        ("overhead", statistics.overhead),
    ):
        values += _milliseconds(name, ring.percentiles())
    late = growth.of("late", statistics.late)
    if late:
        message = f"{late} frames took longer than their own length"
        return Status("model", WARN, message, values)
    return Status("model", OK, "in time", values)


def _milliseconds(name: str, percentiles: Percentiles | None) -> list[tuple[str, str]]:
    if percentiles is None:
        return [(f"{name} {which}", "none yet") for which in ("p50", "p99", "max")]
    return [
        (f"{name} p50", f"{1e3 * percentiles.p50:.2f} ms"),
        (f"{name} p99", f"{1e3 * percentiles.p99:.2f} ms"),
        (f"{name} max", f"{1e3 * percentiles.maximum:.2f} ms"),
    ]


def _microphone(running: RunningSnapshot, health: MicrophoneHealth) -> Status:
    microphone = running.microphone
    problems = (microphone.problem, microphone.unreadable_problem)
    last = "; ".join(problem for problem in problems if problem)
    counters = asdict(microphone.counters)
    values = [(name.replace("_", " "), str(count)) for name, count in counters.items()]
    values += [
        ("unreadable messages", str(microphone.unreadable)),
        ("waiting", f"{1e3 * running.waiting_s:.0f} ms"),
        ("last problem", last),
        ("notes", "; ".join(microphone.notes)),
    ]
    fault = health.judge(microphone)
    if running.filling:
        message = fault or last or "silence takes the place of missing audio"
        if not microphone.counters.chunks:
            message = f"no audio has come yet; {message}"
        return Status("microphone", WARN, message, values)
    if fault:
        return Status("microphone", WARN, fault, values)
    return Status("microphone", OK, "audio arrives", values)


def _motion(motion: MotionSnapshot, growth: Growth) -> Status:
    values = [
        ("paused", str(motion.paused).lower()),
        ("problems", str(motion.problems)),
        ("last problem", motion.last_problem),
    ]
    if growth.of("motion problems", motion.problems):
        return Status("motion", WARN, motion.last_problem, values)
    return Status("motion", OK, "paused" if motion.paused else "free", values)
