"""A caller who reacts: waits for the robot to finish, breaks in on it, says "mhm" to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from personaplex_ros.training.augment import coloured_noise, reverberate
from personaplex_ros.training.chance import pick
from personaplex_ros.training.dialogue import FRAME_S, hesitate
from personaplex_ros.training.speech import RATE, Speech, Voice, speak
from personaplex_ros.training.speech_bank import LEVEL, at_level
from personaplex_ros.training.world import Facts, World, hesitations, lower_first

FRAME = round(FRAME_S * RATE)
LOUD = 10 ** (-50 / 20)  # RMS of 10 ms that counts as sound of the robot, -50 dBFS
PATIENCE_S = 3.5  # that a caller waits for an answer
LONGEST_ANSWER_S = 8.0
EXAM_PAUSE_S = (0.4, 1.0)


@dataclass(frozen=True)
class Plan:
    """What the caller means to do next.

    ``kind`` is "question", "interruption" (of the answer to the question before) or
    "backchannel" (during it).
    """

    kind: str
    text: str
    intent: str = ""
    pause: bool = False


@dataclass(frozen=True)
class Said:
    """What the caller did say, in seconds of the caller's channel; ``talking``: over the robot."""

    plan: Plan
    start_s: float
    end_s: float
    talking: bool
    pauses: tuple[tuple[float, float], ...] = ()


@dataclass
class Caller:
    """One caller's side of a dialogue, a frame at a time."""

    world: World
    facts: Facts
    voice: Voice
    plans: list[Plan]
    rng: np.random.Generator
    said: list[Said] = field(default_factory=list)
    now: int = 0  # sample at which the next frame begins
    _clip: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    _clip_at: int = 0
    _quiet_since_s: float = 0.0  # neither side has spoken since
    _robot_since_s: float | None = None  # since when it has been speaking without a longer pause
    _gap_s: float = 1.0

    def __post_init__(self) -> None:
        rng = self.rng
        self._level = LEVEL * 10 ** (rng.uniform(-8, 4) / 20)
        self._room = rng.random() < 0.35
        floor = min(10 ** (rng.uniform(-75, -45) / 20), self._level / 8)
        self._noise = coloured_noise(120 * RATE, rng) * np.float32(floor)

    @property
    def done(self) -> bool:
        """Whether all plans are carried out and the last answer had its time."""
        return not self.plans and self._idle() and self._waited(PATIENCE_S)

    def frame(self, robot: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the next frame; ``robot`` is what is heard of the robot meanwhile, [1920]."""
        now_s = self.now / RATE
        self._listen(robot, now_s)
        if self.plans and self._idle():
            self._consider(now_s)
        out = self._noise[self.now % len(self._noise) :][:FRAME].copy()
        out = np.resize(out, FRAME)
        first = max(self._clip_at, self.now)
        part = self._clip[first - self._clip_at : self.now + FRAME - self._clip_at]
        if first < self.now + FRAME and len(part):
            out[first - self.now : first - self.now + len(part)] += part
        self.now += FRAME
        return np.clip(out, -1, 1)

    def _listen(self, robot: NDArray[np.float32], now_s: float) -> None:
        if sounds(robot).any():
            if self._robot_since_s is None:
                self._robot_since_s = now_s
            self._quiet_since_s = now_s + FRAME_S
        elif now_s - self._quiet_since_s > 0.5:
            self._robot_since_s = None
        if not self._idle():
            self._quiet_since_s = max(self._quiet_since_s, now_s)

    def _consider(self, now_s: float) -> None:
        plan = self.plans[0]
        if plan.kind == "question":
            answered = not self.said or self._answered()
            if self._waited(self._gap_s if answered else PATIENCE_S):
                self._say(talking=False)
        elif self._robot_since_s is not None and self._answered():
            if now_s - self._robot_since_s >= self._gap_s:
                self._say(talking=True)
        elif self._waited(PATIENCE_S):  # there is nothing to break in on
            self.plans.pop(0)

    def _say(self, talking: bool) -> None:
        plan, rng = self.plans.pop(0), self.rng
        speech = speak(plan.text, self.voice)
        start = self.now + int(rng.integers(FRAME))
        speech, pauses = self._hesitate(speech, plan, start / RATE)
        clip = at_level(speech.samples, self._level)
        self._clip = reverberate(clip, rng) if self._room else clip
        self._clip_at = start
        self.said.append(Said(plan, start / RATE, (start + len(clip)) / RATE, talking, pauses))
        following = self.plans[0].kind if self.plans else "question"
        self._gap_s = float(rng.uniform(*((0.8, 2.0) if following == "question" else (0.4, 1.0))))

    def _hesitate(
        self, speech: Speech, plan: Plan, start_s: float
    ) -> tuple[Speech, tuple[tuple[float, float], ...]]:
        places = hesitations(self.world, plan.text) if plan.pause else []
        if not places:
            return speech, ()
        seconds = float(self.rng.uniform(*EXAM_PAUSE_S))
        speech, (begin, end) = hesitate(speech, pick(places, self.rng), seconds)
        return speech, ((start_s + begin, start_s + end),)

    def _idle(self) -> bool:
        return self.now >= self._clip_at + len(self._clip)

    def _waited(self, seconds: float) -> bool:
        return self.now / RATE - self._quiet_since_s >= seconds

    def _answered(self) -> bool:
        """Whether the robot has spoken since the caller's last words."""
        return self._quiet_since_s > self.said[-1].end_s + FRAME_S


def random_plans(world: World, rng: np.random.Generator, intents: Callable[[], str]) -> list[Plan]:
    """Plan a dialogue with pauses, an interruption, a backchannel and a goodbye."""

    def ask(intent: str, *, pause: bool = False) -> Plan:
        return Plan("question", pick(world.intents[intent].held_out, rng), intent, pause)

    def asked_long() -> Plan:
        long = [n for n, i in world.intents.items() if n != "repeat" and len(i.answers[0]) > 35]
        return ask(pick(long, rng))

    new = intents()
    text = f"{pick(world.breaks, rng)} {lower_first(pick(world.intents[new].held_out, rng))}"
    groups = [
        [ask(intents(), pause=True)],
        [ask(intents(), pause=True)],
        [ask(intents())],
        [asked_long(), Plan("interruption", text, new)],
        [asked_long(), Plan("backchannel", pick(world.user_backchannels, rng))],
    ]
    order = rng.permutation(len(groups))
    return [plan for index in order for plan in groups[index]] + [ask("goodbye")]


def sounds(samples: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return for every 10 ms whether there is sound above -50 dBFS."""
    windows = samples[: len(samples) // 240 * 240].reshape(-1, 240)
    return np.sqrt(np.mean(np.square(windows), axis=1)) > LOUD
