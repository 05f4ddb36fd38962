"""nano in a room with its own echo: planned callers ask it and break in, frame by frame."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from echo_rooms import DRIVE, RATE, Acoustics, Room, Sound, noise

from personaplex_ros.audio.echo import EchoCanceller, Processing
from personaplex_ros.engine import Engine, Persona, Sampling, Session
from personaplex_ros.training.evaluation.caller import Caller
from personaplex_ros.training.evaluation.converse import Dialogue, write_voices
from personaplex_ros.training.evaluation.judge import judge
from personaplex_ros.training.evaluation.scenarios import Plan, plan_dialogue
from personaplex_ros.training.evaluation.sound import sounding
from personaplex_ros.training.world import load_world
from personaplex_ros.turns import TurnMonitor

PERSON = 10 ** (-26 / 20)


class Loudspeaker:
    """Plays frames into a room and gives what the microphone hears of them, frame by frame."""

    def __init__(self, room: Room, frame: int) -> None:
        self._response = Acoustics(room.rt60_s).echo.astype(np.float64)
        self._tail: Sound = np.zeros(0)
        self._gain = 10 ** (room.echo_db / 20)
        self._late = round(room.delay_s * RATE)
        self._pace = 1.0 - room.drift_ppm * 1e-6
        self._said: Sound = np.zeros(0, np.float32)
        self._frame, self._at = frame, 0

    def play(self, samples: Sound) -> None:
        """Take what is to be heard from the next frame of the microphone on."""
        self._said = np.concatenate((self._said, samples))

    def heard(self) -> Sound:
        """Return the echo in the next frame."""
        places = (self._at + np.arange(self._frame) - self._late) * self._pace - self._frame
        sound = np.interp(places, np.arange(len(self._said)), self._said, 0.0, 0.0) \
            if len(self._said) else np.zeros(self._frame)  # fmt: skip
        self._at += self._frame
        size = self._frame + len(self._response) - 1
        played = np.tanh(DRIVE * sound) / DRIVE
        full = np.fft.irfft(np.fft.rfft(played, size) * np.fft.rfft(self._response, size), size)
        full[: len(self._tail)] += self._tail
        self._tail = full[self._frame :]
        return (self._gain * full[: self._frame]).astype(np.float32)


def hold(room: Room | None, cancels: bool, dialogues: int, seed: int) -> dict[str, Any]:
    """Hold dialogues with nano; None is a room without echo, heard without a canceller.

    The callers are as loud as `PERSON` at the microphone, the echo is compared with nano's own
    level, which is about the same.
    """
    world, engine = load_world(), Engine.load("nano")
    verdicts: dict[str, list[float]] = {}
    itself, seconds = 0, 0.0
    with tempfile.TemporaryDirectory() as folder:
        voices = write_voices(world, Path(folder), seed)
        for number in range(dialogues):
            plan = plan_dialogue(world, (seed, 1, number))
            persona = Persona(plan.facts.name, plan.prompt, str(voices[plan.voice]))
            session = engine.open(persona, Sampling(), seed * 1_000_003 + number)
            dialogue = _hold(engine, session, plan, room, cancels, number)
            session.close()
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


def _hold(
    engine: Engine, session: Session, plan: Plan, room: Room | None, cancels: bool, number: int
) -> Dialogue:
    size = engine.frame_size
    caller = Caller(plan, np.random.default_rng((6, number)))
    speaker = None if room is None else Loudspeaker(room, size)
    canceller = EchoCanceller(RATE, size, Processing() if cancels and room else None)
    monitor = TurnMonitor(RATE, size, robot_delay_s=size / RATE)
    rng, results, at_ns = np.random.default_rng(number), [], 0
    silence = np.zeros(size, np.float32)
    while not caller.done:
        at_ns += size * 1_000_000_000 // RATE
        samples = caller.frame(results[-2].audio if len(results) > 1 else silence)
        if speaker is not None:
            samples = np.clip(samples + speaker.heard() + noise(size, rng), -1.0, 1.0)
        frame = canceller.process(samples.astype(np.float32), at_ns)
        result = session.push(silence if monitor.deaf else frame.clean)
        canceller.reference.played(result.audio, RATE, at_ns + size * 1_000_000_000 // RATE)
        if speaker is not None:
            speaker.play(result.audio)
            monitor.push(frame.clean, result.audio, result.piece, at_ns, frame)
        results.append(result)
    robot = np.concatenate([silence, *(result.audio for result in results)])
    pieces = [((i + 1) * size / RATE, r.piece) for i, r in enumerate(results) if r.piece]
    codes = np.stack([result.codes for result in results], axis=1)
    return Dialogue(
        number, plan, "wave", tuple(caller.said), caller.unsaid, robot, codes,
        sounding(robot, RATE), tuple(pieces),
    )  # fmt: skip


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
