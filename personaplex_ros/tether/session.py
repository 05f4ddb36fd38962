"""A conversation with a model that runs elsewhere, as the node's thread sees it."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from personaplex_ros.audio.clocks.quiet import is_quiet
from personaplex_ros.conversing import Sampling, Saying, StepResult, StepTiming
from personaplex_ros.conversing.link import AnyLink, LinkSnapshot, News
from personaplex_ros.tether.jitter import JitterBuffer
from personaplex_ros.tether.link import Link
from personaplex_ros.tether.opening import Opening

NO_TOKEN = -1
"""In place of the number of a text token, which servers do not send."""
PAUSED_S = 1.0
"""Time without a frame after which what came meanwhile is old."""
PAUSE_FRAMES = 3
"""Of silence, after which a model that was to be silent has made a pause of its own."""
MOST_MUTED_S = 8.0
"""For which what a model goes on saying is kept back, at most."""
_NO_TIME = StepTiming(0.0, 0.0, 0.0, 0.0, 0.0)
_NO_CODES = np.zeros(0, np.int64)

Sound = NDArray[np.float32]


class TetherSession:
    """Gives what was heard to a `Link`, and returns what is to be played now; for one thread.

    What it returns for a frame does not answer that frame: it answers one that was heard as long
    ago as the line and the model take. announcement: float32 [n], said once when the model is lost.
    A model elsewhere cannot be told to be silent, or to say something: `keep_silent` keeps back
    what it says until it has made a pause, `say` is refused.
    """

    def __init__(
        self,
        link: Link,
        jitter: JitterBuffer,
        opening: Opening,
        frame_size: int,
        frame_s: float,
        announcement: Sound,
    ) -> None:
        self._link, self._jitter, self._opening = link, jitter, opening
        self._frame_size, self._frame_s = frame_size, frame_s
        self._announcement, self._announced = announcement, len(announcement)
        self._sampling = opening.sampling
        self._steps = 0
        self._lost = False
        self._pushed_s = time.monotonic()
        self._silenced = self._muted = False
        self._quiet_frames = self._muted_frames = 0
        self._kept_frames = 0

    @property
    def link(self) -> AnyLink:
        """Its connection."""
        return self

    position = 0
    prompt_in_reach = None

    def push(self, frame: np.ndarray) -> StepResult:
        """Hear one frame, float32 [frame_size] in [-1, 1]; return what is to be played now.

        Never blocks. Raises ValueError for another shape or type.
        """
        if frame.shape != (self._frame_size,) or frame.dtype != np.float32:
            raise ValueError(
                f"a frame must be float32 [{self._frame_size}]; this one is {frame.dtype} "
                f"{list(frame.shape)}"
            )
        now = time.monotonic()
        if now - self._pushed_s > PAUSED_S:
            self._jitter.begin()
        self._pushed_s = now
        self._link.send(frame)
        samples, piece = self._jitter.take()
        self._follow_loss()
        if self._announced < len(self._announcement):
            samples, piece = self._announcing(), ""
        elif self._muted:
            samples, piece = self._kept_back(samples)
        index, self._steps = self._steps, self._steps + 1
        silent = "" if piece else "PAD"
        return StepResult(index, samples, NO_TOKEN, piece, silent, _NO_CODES, _NO_TIME)

    def restart(self, persona: Any = None, seed: int | None = None) -> None:
        """Begin a new conversation there; None keeps the persona or the seed. Never blocks."""
        before = self._opening
        self._opening = Opening(
            before.persona if persona is None else persona.persona,
            self._sampling,
            before.seed if seed is None else seed,
        )
        self._steps = 0
        self._silenced = self._muted = False
        self._jitter.begin()
        self._link.begin(self._opening)

    def set_sampling(self, sampling: Sampling) -> None:
        """Take other sampling settings into the next conversation: servers take them at its begin.

        That they are not followed at once is told in the news of the link.
        """
        if sampling != self._sampling:
            self._sampling = sampling
            self._link.tell(
                "warn",
                "the model elsewhere is told other sampling settings when its next conversation "
                "begins: call ~/reset for them",
            )

    def say(self, text: str) -> Saying:
        """Raise ValueError: a model elsewhere cannot be given a sentence."""
        raise ValueError(CANNOT_SAY)

    def hush(self) -> None:
        """Do nothing: nothing was given to it to say."""

    def keep_silent(self) -> None:
        """Keep back what it says from now on, until it has made a pause after `go_on`."""
        self._silenced = self._muted = True
        self._quiet_frames = self._muted_frames = 0

    def go_on(self) -> None:
        """Let out what it says, as soon as it has made a pause."""
        self._silenced = False

    def close(self) -> None:
        """Hang up."""
        self._link.close()

    @property
    def lost(self) -> bool:
        """Whether the model is out of reach, for longer than is to be borne."""
        return self._lost

    def news(self) -> list[News]:
        """Return what has happened to the link since the last call."""
        return self._link.news()

    def snapshot(self) -> LinkSnapshot:
        """Return what is known of the link."""
        return self._link.snapshot(kept_silent_s=self._kept_frames * self._frame_s)

    def expect_begun(self, timeout_s: float) -> None:
        """Wait until the persona is ready; raises RuntimeError where the server refuses it."""
        self._link.expect_begun(timeout_s)

    def _follow_loss(self) -> None:
        before, self._lost = self._lost, self._link.lost
        if self._lost and not before:
            self._announced = 0

    def _announcing(self) -> Sound:
        part = self._announcement[self._announced : self._announced + self._frame_size]
        self._announced += self._frame_size
        frame = np.zeros(self._frame_size, np.float32)
        frame[: len(part)] = part
        return frame

    def _kept_back(self, samples: Sound) -> tuple[Sound, str]:
        """Return silence in place of what it says; end that when it has made a pause."""
        self._muted_frames += 1
        self._kept_frames += 1
        self._quiet_frames = self._quiet_frames + 1 if is_quiet(samples) else 0
        paused = not self._silenced and self._quiet_frames >= PAUSE_FRAMES
        if paused or self._muted_frames * self._frame_s >= MOST_MUTED_S:
            self._muted = False
        return np.zeros_like(samples), ""


CANNOT_SAY = (
    "the model runs elsewhere (parameter engine), and its server has no request to say a given "
    "sentence; a model on this machine can"
)
