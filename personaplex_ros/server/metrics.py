"""What Prometheus is told of a server."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from personaplex_ros.server.conversation.conversation import Conversation
from personaplex_ros.server.refusal import Cause
from personaplex_ros.turns import TurnEvent

FRAME_BUCKETS_S = (
    0.005, 0.01, 0.015, 0.02, 0.025, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08, 0.1, 0.15, 0.25, 0.5, 1.0,
)  # fmt: skip
OWN_BUCKETS_S = (0.0005, 0.001, 0.0015, 0.002, 0.003, 0.004, 0.006, 0.01, 0.02, 0.05, 0.1, 0.5)


class Metrics:
    """Counts for one server; any thread may call any method."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        name = "personaplex_"
        self.connections = Gauge(name + "connections", "connections now", registry=registry)
        self._sessions = Gauge(
            name + "sessions", "conversations now, those kept for a client included",
            registry=registry,
        )  # fmt: skip
        self._begun = Counter(
            name + "sessions_begun", "conversations begun", ["protocol"], registry=registry
        )
        self._resumed = Counter(
            name + "sessions_resumed", "conversations taken up again", registry=registry
        )
        self._refused = Counter(
            name + "refusals", "requests refused and conversations ended, by cause", ["cause"],
            registry=registry,
        )  # fmt: skip
        self._turned_away = Counter(
            name + "turned_away", "connections and requests refused at the door", ["why"],
            registry=registry,
        )  # fmt: skip
        self._frames = Histogram(
            name + "frame_seconds", "time of a frame inside the engine", buckets=FRAME_BUCKETS_S,
            registry=registry,
        )  # fmt: skip
        self._late = Counter(
            name + "late_frames", "frames that took longer than they last", registry=registry
        )
        self._own = Histogram(
            name + "own_seconds", "time of a frame outside the engine, until it can be sent",
            buckets=OWN_BUCKETS_S, registry=registry,
        )  # fmt: skip
        self._lost = Counter(
            name + "frames_lost", "frames of 80 ms that were dropped or filled in", ["what"],
            registry=registry,
        )  # fmt: skip
        self._untold = Counter(
            name + "outputs_lost", "words, events and requests that were dropped", ["what"],
            registry=registry,
        )  # fmt: skip
        self._events = Counter(name + "turn_events", "turn events", ["kind"], registry=registry)

    def begun(self, protocol: str) -> None:
        """Note that a conversation began."""
        self._begun.labels(protocol).inc()
        self._sessions.inc()

    def resumed(self) -> None:
        """Note that one was taken up again."""
        self._resumed.inc()

    def over(self, conversation: Conversation) -> None:
        """Note that a conversation is over, and what was lost of it."""
        self._sessions.dec()
        inbox, outbox = conversation.inbox, conversation.outbox
        self._lost.labels("heard").inc(inbox.dropped_frames)
        self._lost.labels("filled").inc(inbox.filled_frames)
        self._lost.labels("spoken").inc(outbox.dropped_frames)
        self._untold.labels("told").inc(outbox.dropped_others)
        self._untold.labels("asked").inc(conversation.dropped_requests)

    def refused(self, cause: Cause) -> None:
        """Note a refusal."""
        self._refused.labels(cause.value).inc()

    def turned_away(self, why: str) -> None:
        """Note a connection or a request that did not come in."""
        self._turned_away.labels(why).inc()

    def frame(self, model_s: float, late: bool) -> None:
        """Note a frame that took so long inside the engine."""
        self._frames.observe(model_s)
        self._late.inc(late)

    def happened(self, events: Iterable[TurnEvent]) -> None:
        """Note turn events."""
        for event in events:
            self._events.labels(event.kind).inc()

    def ready(self, own_s: float) -> None:
        """Note how long a frame of speech took outside the engine until it could be sent."""
        self._own.observe(own_s)

    def exposed(self) -> bytes:
        """Return everything in Prometheus's text format."""
        return generate_latest(self._registry)
