"""nano in a room with its own echo: planned callers ask it and break in, frame by frame."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from echo_rooms import DRIVE, RATE, Acoustics, Room, Sound, noise

from personaplex_ros.audio.echo import EchoCanceller, Processing
from personaplex_ros.engine import Engine, Persona, Sampling, Session, StepResult
from personaplex_ros.training.evaluation.caller import Caller
from personaplex_ros.training.evaluation.converse import Dialogue, write_voices
from personaplex_ros.training.evaluation.judge import judge
from personaplex_ros.training.evaluation.scenarios import Plan, plan_dialogue
from personaplex_ros.training.evaluation.sound import sounding
from personaplex_ros.training.world import load_world
from personaplex_ros.turns import TurnMonitor

PERSON = 10 ** (-26 / 20)
LEARNING = 100_000
"""Number of the dialogue in which the canceller learns the room."""
KEPT_S = 4
"""Of what was played: the longest delay, and what the clocks may drift apart in an hour."""


class Loudspeaker:
    """Plays frames into a room and gives what the microphone hears of them, frame by frame."""

    def __init__(self, room: Room, frame: int) -> None:
        self._response = Acoustics(room.rt60_s).echo.astype(np.float64)
        self._tail: Sound = np.zeros(0)
        self._gain = 10 ** (room.echo_db / 20)
        self._late = round(room.delay_s * RATE)
        self._pace = 1.0 - room.drift_ppm * 1e-6
        self._said: Sound = np.zeros(KEPT_S * RATE, np.float32)  # the last of it
        self._end = 0
        self._frame, self._at = frame, 0

    def play(self, samples: Sound) -> None:
        """Take what is to be heard from the next frame of the microphone on."""
        self._said = np.concatenate((self._said[len(samples) :], samples))
        self._end += len(samples)

    def heard(self) -> Sound:
        """Return the echo in the next frame."""
        places = (self._at + np.arange(self._frame) - self._late) * self._pace - self._frame
        kept = np.arange(self._end - len(self._said), self._end)
        sound = np.interp(places, kept, self._said, 0.0, 0.0)
        self._at += self._frame
        size = self._frame + len(self._response) - 1
        played = np.tanh(DRIVE * sound) / DRIVE
        full = np.fft.irfft(np.fft.rfft(played, size) * np.fft.rfft(self._response, size), size)
        full[: len(self._tail)] += self._tail
        self._tail = full[self._frame :]
        return (self._gain * full[: self._frame]).astype(np.float32)


class Hall:
    """A room in which one robot holds a dialogue after the other, as it has learnt the room.

    room: None has noise, but no echo, and is heard without a canceller.
    """

    def __init__(self, room: Room | None, cancels: bool, frame: int) -> None:
        self._size = frame
        self._speaker = None if room is None else Loudspeaker(room, frame)
        self._canceller = EchoCanceller(RATE, frame, Processing() if cancels and room else None)
        self._monitor = TurnMonitor(RATE, frame, robot_delay_s=frame / RATE)
        self._silence: Sound = np.zeros(frame, np.float32)
        self._rng, self._at_ns = np.random.default_rng(0), 0

    def hold(self, session: Session, plan: Plan, number: int) -> Dialogue:
        """Let a planned caller talk to a robot that has just got its persona."""
        size, silence = self._size, self._silence
        caller, results = Caller(plan, np.random.default_rng((6, number))), []
        while not caller.done:
            samples = caller.frame(results[-2].audio if len(results) > 1 else silence)
            results.append(self._frame(session, samples))
        robot = np.concatenate([silence, *(result.audio for result in results)])
        pieces = [((i + 1) * size / RATE, r.piece) for i, r in enumerate(results) if r.piece]
        codes = np.stack([result.codes for result in results], axis=1)
        return Dialogue(
            number, plan, "wave", tuple(caller.said), caller.unsaid, robot, codes,
            sounding(robot, RATE), tuple(pieces),
        )  # fmt: skip

    def _frame(self, session: Session, samples: Sound) -> StepResult:
        """Let robot and monitor hear a frame amid what the room adds to it."""
        self._at_ns += self._size * 1_000_000_000 // RATE
        samples = samples + noise(self._size, self._rng)
        if self._speaker is not None:
            samples = np.clip(samples + self._speaker.heard(), -1.0, 1.0)
        frame = self._canceller.process(samples.astype(np.float32), self._at_ns)
        result = session.push(self._silence if self._monitor.deaf else frame.for_model)
        end_ns = self._at_ns + self._size * 1_000_000_000 // RATE
        self._canceller.reference.played(result.audio, RATE, end_ns)
        if self._speaker is not None:
            self._speaker.play(result.audio)
            self._monitor.push(frame.clean, result.audio, result.piece, self._at_ns, frame)
        return result


def hold(room: Room | None, cancels: bool, dialogues: int, seed: int) -> dict[str, Any]:
    """Hold dialogues with nano in one room, after one that does not count.

    The callers are as loud as `PERSON` at the microphone, the echo is compared with nano's own
    level, which is about the same.
    """
    world, engine = load_world(), Engine.load("nano")
    verdicts: dict[str, list[float]] = {}
    itself, seconds = 0, 0.0
    hall = Hall(room, cancels, engine.frame_size)
    with tempfile.TemporaryDirectory() as folder:
        voices = write_voices(world, Path(folder), seed)
        for number in range(-1, dialogues):
            plan = plan_dialogue(world, (seed, 1, number % LEARNING))
            persona = Persona(plan.facts.name, plan.prompt, str(voices[plan.voice]))
            session = engine.open(persona, Sampling(), seed * 1_000_003 + number)
            dialogue = hall.hold(session, plan, number % LEARNING)
            session.close()
            if number < 0:
                continue
            for verdict in judge(dialogue, world):
                verdicts.setdefault(verdict.measure, []).append(verdict.value)
            itself += _answers_itself(dialogue)
            seconds += dialogue.duration_s
    return {
        "answers": _share(verdicts.get("answer", []) + verdicts.get("new_answer", [])),
        "silenced": _share(verdicts.get("silenced", [])),
        "itself": itself,
        "minutes": seconds / 60,
    }


def _answers_itself(dialogue: Dialogue) -> int:
    """Count the robot's begins after a silence, when nobody has spoken since it fell silent."""
    from personaplex_ros.training.evaluation.sound import WINDOW_S

    count, last_s = 0, 0.0
    spoken = [(said.start_s, said.end_s) for said in dialogue.said]
    for at in np.flatnonzero(dialogue.sound):
        now_s = float(at) * WINDOW_S
        heard = any(start < now_s and end > last_s for start, end in spoken)
        if now_s - last_s >= 1.0 and last_s > 0.0 and not heard:
            count += 1
        last_s = now_s
    return count


def _share(values: list[float]) -> str:
    return f"{sum(v > 0.5 for v in values)} of {len(values)}"
