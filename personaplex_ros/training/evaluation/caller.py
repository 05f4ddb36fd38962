"""A caller who listens: frame by frame, what the robot is heard saying decides when to speak."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from personaplex_ros.training.evaluation.scenarios import Plan, Utterance
from personaplex_ros.training.evaluation.sound import QUIET_S, WINDOW_S, sounding
from personaplex_ros.training.voices.speech import RATE

PATIENCE_S = 4.0  # for an answer to begin
ENDURANCE_S = 10.0  # of an answer; then the next question comes into it
TALKING_S = 0.3  # a robot heard so shortly ago is still talking
SETTLED_S = 0.8  # a robot silent for so long has finished
FAREWELL_S = 1.5  # of silence after the last answer


@dataclass(frozen=True, eq=False)
class Said:
    """An utterance and when it was spoken, in seconds."""

    utterance: Utterance
    start_s: float

    @property
    def end_s(self) -> float:
        """When its last sound ends."""
        return self.start_s + self.utterance.duration_s

    @property
    def pauses(self) -> tuple[tuple[float, float], ...]:
        """The pauses within it, start and end."""
        return tuple((self.start_s + a, self.start_s + b) for a, b in self.utterance.pauses)


class Caller:
    """Says the plan's utterances when their times have come.

    Questions wait until the robot has finished, or has been silent or talking for too long. What
    is to be said into an answer is left out when that ends, or does not come.
    """

    def __init__(self, plan: Plan, rng: np.random.Generator):
        self.said: list[Said] = []
        self._left_out = 0
        self._waiting = list(plan.utterances)
        self._channel = plan.noise.copy()
        self._silent = not plan.utterances
        self._rng = rng
        self._at = 0  # sample
        self._asked_s: float | None = None  # end of the last question or interruption
        self._answered_s: float | None = None  # when the robot began after that
        self._heard_s = 0.0  # end of the robot's last sound

    def frame(self, heard: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what the microphone hears in the next frame: float32, as long as ``heard``.

        ``heard`` is what the robot was heard saying in the frame before.
        """
        size, now_s = len(heard), self._at / RATE
        self._listen(heard)
        if self._waiting and (not self.said or self.said[-1].end_s <= now_s):
            waiting = self._waiting[0]
            if waiting.kind != "question":
                self._speak_into_answer(waiting, now_s, size)
            elif self._has_finished(now_s, waiting.delay_s):
                self._speak(size)
        samples = np.clip(self._channel[self._at : self._at + size], -1, 1)
        self._at += size
        return np.pad(samples, (0, size - len(samples)))

    @property
    def unsaid(self) -> int:
        """How many utterances found no occasion, or no time."""
        return self._left_out + len(self._waiting)

    @property
    def done(self) -> bool:
        """Whether there is nothing more to say and to hear."""
        if self._at >= len(self._channel):
            return True
        now_s = self._at / RATE
        over = not self._waiting and bool(self.said) and self.said[-1].end_s < now_s
        return not self._silent and over and self._has_finished(now_s, FAREWELL_S)

    def _listen(self, heard: NDArray[np.float32]) -> None:
        windows = np.flatnonzero(sounding(heard, RATE))
        if not len(windows):
            return
        frame_s, asked_s = (self._at - len(heard)) / RATE, self._asked_s
        began_s = frame_s + float(windows[0]) * WINDOW_S
        anew = began_s - self._heard_s >= QUIET_S
        if self._answered_s is None and asked_s is not None and began_s >= asked_s and anew:
            self._answered_s = began_s
        self._heard_s = frame_s + float(windows[-1] + 1) * WINDOW_S

    def _has_finished(self, now_s: float, quiet_s: float) -> bool:
        """Whether the robot has answered and then been silent, or never will."""
        last_s = max(self._heard_s, self.said[-1].end_s if self.said else 0.0)
        asked_s = self._asked_s or 0.0
        waited_s = now_s - asked_s
        answered = self._asked_s is None or self._answered_s is not None or waited_s >= PATIENCE_S
        return waited_s >= ENDURANCE_S or (answered and now_s >= last_s + quiet_s)

    def _speak_into_answer(self, waiting: Utterance, now_s: float, size: int) -> None:
        """Speak when the robot has talked for long enough; give up when it does not."""
        began_s, asked_s = self._answered_s, self._asked_s or 0.0
        if began_s is None or now_s - self._heard_s > TALKING_S:
            over = now_s - (asked_s if began_s is None else self._heard_s)
            if over >= (PATIENCE_S if began_s is None else SETTLED_S):
                self._waiting.pop(0)
                self._left_out += 1
        elif now_s - began_s >= waiting.delay_s:
            self._speak(size)

    def _speak(self, size: int) -> None:
        """Begin to say what is next, anywhere within the coming frame."""
        utterance = self._waiting.pop(0)
        start = self._at + int(self._rng.integers(size))
        part = utterance.samples[: max(0, len(self._channel) - start)]
        self._channel[start : start + len(part)] += part
        self.said.append(Said(utterance, start / RATE))
        if utterance.kind != "backchannel":
            self._asked_s = self.said[-1].end_s
            self._answered_s = None
