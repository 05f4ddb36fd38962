"""The one model of a server: who can be spoken to in which voice, and whether there is room."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass
from statistics import median

import numpy as np

from personaplex_ros.checkpoint import voice_names
from personaplex_ros.engine import Engine, Persona, PreparedPersona, SharedEngine, SharedSession
from personaplex_ros.server.refusal import Cause, Refusal
from personaplex_ros.server.wish import Wish
from personaplex_ros.turns import TurnMonitor

MEASURED_FRAMES = 25
"""Frames of all slots that are timed before anybody comes, where the engine has timed none."""

NO_ROOM = "no room for one more conversation"


@dataclass(frozen=True)
class Opened:
    """What a conversation needs of the model."""

    session: SharedSession
    monitor: TurnMonitor


class Model:
    """Opens sessions on an engine of `slots`, which it owns from now on.

    `default` is who clients speak to that do not say with whom; it may have a voice of its own.
    Everything blocks, and may be called from any thread but that of an event loop. Raises what
    preparing the default persona raises.
    """

    def __init__(
        self, engine: Engine, slots: int, default: Persona, admission_share: float
    ) -> None:
        prepared = engine.prepare(default)
        self.default = default
        self.slots = slots
        self.takes_persona = engine.takes_persona
        self.rate = engine.sample_rate
        self.frame_size = engine.frame_size
        self.frame_s = engine.frame_size / engine.sample_rate
        self.frame_times = engine.warm_frames or _measured(engine, prepared, slots)
        engine.warm_frames = self.frame_times
        self._voices = voice_names(engine.voice_folders) | {default.voice or ""}
        self._engine = SharedEngine(engine, admission_share)
        self._preparing = threading.Lock()
        self._monitors: deque[TurnMonitor] = deque()  # that are free: making one takes 0.3 s
        for _ in range(slots):
            self._monitors.append(self._monitor())

    @property
    def voices(self) -> list[str]:
        """The names of the voices that there are."""
        return sorted(name for name in self._voices if name and "." not in name)

    @property
    def sessions(self) -> int:
        """Conversations that are open."""
        return self._engine.sessions

    @property
    def obstacle(self) -> str:
        """Why frames would be late with one more conversation; empty where they would not."""
        return self._engine.obstacle

    def prepare(self, persona: Persona) -> PreparedPersona:
        """Take a persona's prompt through the model; the last few are remembered.

        Files cannot be named: only a voice that the server has is taken. Raises Refusal where the
        persona has to be another.
        """
        self._check_voice(persona.voice)
        try:
            with self._preparing:  # one at a time: it takes the device from the frames
                return self._engine.prepare(persona)
        except ValueError as error:
            raise Refusal(Cause.BAD, str(error)) from error

    def check_text(self, text: str) -> None:
        """Raise ValueError, which says why, for a text that the model cannot be let say."""
        self._engine.check_text(text)

    def open(self, wish: Wish) -> Opened:
        """Begin a session; raises Refusal where that cannot be."""
        prepared = self.prepare(wish.persona)
        try:
            session = self._engine.open(prepared, wish.sampling, wish.seed)
        except RuntimeError as error:
            raise Refusal(Cause.FULL, f"{NO_ROOM}: {error}") from error
        try:
            return Opened(session, self._monitors.popleft())
        except IndexError:  # that of a conversation that hangs
            return Opened(session, self._monitor())

    def give_back(self, monitor: TurnMonitor) -> None:
        """Take the monitor of a conversation that is over, for another."""
        self._monitors.append(monitor)

    def close(self) -> None:
        """End the model's thread, and let go of what its clients used."""
        self._engine.close()
        self._monitors.clear()

    def _monitor(self) -> TurnMonitor:
        return TurnMonitor(self.rate, self.frame_size, robot_delay_s=self.frame_s)

    def _check_voice(self, name: str | None) -> None:
        if name and name not in self._voices:
            raise Refusal(
                Cause.BAD,
                f"{name[:60]!r} is no voice of this server; there are: "
                f"{', '.join(self.voices) or 'none'}",
            )


def _measured(engine: Engine, prepared: PreparedPersona, slots: int) -> dict[int, float]:
    """Time frames in which all slots take part: seconds, by the rows that they have."""
    sessions = [engine.open(prepared) for _ in range(slots)]
    silence = np.zeros(engine.frame_size, np.float32)
    times = []
    for _ in range(MEASURED_FRAMES):
        started = time.perf_counter()
        engine.step({session: silence for session in sessions})
        times.append(time.perf_counter() - started)
    for session in sessions:
        session.close()
    return {engine.rows_with(slots): median(times)}
