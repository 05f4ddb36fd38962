"""From the samples that a client sends to the frames that the model hears, at the pace of time."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from personaplex_ros.server.allowance import Allowance
from personaplex_ros.server.limits import Limits
from personaplex_ros.server.refusal import Cause, Refusal

MADE_UP_S = 1.0
"""Of audio, at most, that may wait since the model was late."""
PACKET_COST = 128
"""Bytes that a packet takes besides its own."""


@dataclass(frozen=True)
class Heard:
    """A frame of the client's: float32 [frame_size] in [-1, 1].

    complete_s: when its last sample had come, in the monotonic clock. filled: whether silence
    stands in for audio that did not come. sent: how many samples the client had sent before it,
    those among them that nobody heard included.
    """

    samples: NDArray[np.float32]
    complete_s: float
    filled: bool
    sent: int


class Inbox:
    """Cuts what comes into frames and hands them out no faster than time passes.

    `put` is for any thread, `take` for the conversation's. Time that passes without a frame is
    credit, at most `catch_up_s` of it, so that audio which was late is made up for at once; a
    client that sends more than that waits, and does not take the model's time from others. What a
    client has sent ahead of time may wait, up to `burst_s`, and beside it what the model makes up
    for at once; of more than `backlog_s` beyond that all is dropped, but the newest. So who speaks
    at the pace of time is never answered much later than the model can, be it too slow.

    What comes coded (`put_coded`) is decoded by `take`, with `decode`.
    """

    def __init__(
        self,
        rate: int,
        frame_size: int,
        limits: Limits,
        now: Callable[[], float] = time.monotonic,
        decode: Callable[[Any], NDArray[np.float32]] | None = None,
    ) -> None:
        self._limits, self._now = limits, now
        self._decode = decode
        self._coded: deque[tuple[Any, int, float]] = deque()  # packet, bytes, when it came
        self._coded_bytes = 0
        self._frame_s = frame_size / rate
        self._partial = np.zeros(frame_size, np.float32)
        self._filled = 0
        self._sent = 0  # samples, those that wait included
        self._frames: deque[Heard] = deque()
        self._changed = threading.Condition()
        self._credit = Allowance(1 / self._frame_s, limits.catch_up_s / self._frame_s, now)
        self._burst = Allowance(1.0, limits.burst_s, now)  # what is left of it
        self._silence_due_s = now() + limits.silence_after_s
        self.dropped_frames = 0
        self.filled_frames = 0

    @property
    def waiting_s(self) -> float:
        """How much has come and was not taken, in seconds."""
        with self._changed:
            return self._frame_s * (len(self._frames) + self._filled / len(self._partial))

    @property
    def sent_s(self) -> float:
        """How much the client has sent, in seconds, whether it was heard or not."""
        return self._frame_s * self._sent / len(self._partial)

    def put(self, samples: NDArray[np.float32], came_s: float | None = None) -> None:
        """Take samples float32 [n]; what is not a number counts as 0, what is too loud is cut.

        came_s: when they came, if not now.
        """
        samples = np.clip(np.nan_to_num(samples), -1.0, 1.0)
        came_s = self._now() if came_s is None else came_s
        with self._changed:
            self._silence_due_s = self._now() + self._limits.silence_after_s
            seconds = self._frame_s * len(samples) / len(self._partial)
            self._burst.take(min(self._burst.left, seconds))
            while len(samples):
                part = samples[: len(self._partial) - self._filled]
                self._partial[self._filled : self._filled + len(part)] = part
                self._filled += len(part)
                self._sent += len(part)
                samples = samples[len(part) :]
                if self._filled == len(self._partial):
                    first = self._sent - self._filled
                    self._frames.append(Heard(self._partial.copy(), came_s, False, first))
                    self._filled = 0
            self._skip_ahead()
            self._changed.notify()

    def put_coded(self, packet: Any, size: int) -> None:
        """Take a packet of so many bytes; raises Refusal when too many wait."""
        with self._changed:
            self._coded_bytes += size + PACKET_COST
            if self._coded_bytes > self._limits.undecoded_bytes:
                words = f"{self._coded_bytes} bytes of audio wait to be heard; send fewer"
                raise Refusal(Cause.BAD, words)
            self._coded.append((packet, size, self._now()))
            self._changed.notify()

    def take(self, timeout_s: float) -> Heard | None:
        """Wait for the frame that is due, at most `timeout_s` seconds; None when there is none.

        Raises what decoding raises.
        """
        deadline_s = self._now() + timeout_s
        while True:
            self._decode_all()
            with self._changed:
                now = self._now()
                if self._frames and self._credit.take(1.0):
                    return self._frames.popleft()
                if not self._frames and now >= self._silence_due_s and self._credit.take(1.0):
                    return self._silence(now)
                if now >= deadline_s:
                    return None
                if self._coded:
                    continue
                self._changed.wait(max(0.001, min(deadline_s, self._next_s(now)) - now))

    def clear(self) -> None:
        """Forget what waits, as when the client comes back after a while."""
        with self._changed:
            self._frames.clear()
            self._coded.clear()
            self._coded_bytes = 0
            self._filled = 0
            self._burst.fill()
            self._silence_due_s = self._now() + self._limits.silence_after_s

    def _decode_all(self) -> None:
        """Decode what has come, without keeping the loop from bringing more."""
        while self._coded and self._decode is not None:
            with self._changed:
                if not self._coded:  # it was cleared
                    return
                packet, size, came_s = self._coded.popleft()
                self._coded_bytes -= size + PACKET_COST
            samples = self._decode(packet)
            if len(samples):
                self.put(samples, came_s)

    def _next_s(self, now: float) -> float:
        """Return when there may be a frame if nothing comes."""
        credited_s = now + self._credit.wait_s(1.0)
        return credited_s if self._frames else max(credited_s, self._silence_due_s)

    def _silence(self, now: float) -> Heard:
        self.filled_frames += 1
        # A model slower than real time must not owe silence for ever.
        self._silence_due_s = max(self._silence_due_s, now - self._frame_s) + self._frame_s
        return Heard(np.zeros_like(self._partial), now, True, self._sent - self._filled)

    def _skip_ahead(self) -> None:
        ahead_s = self._limits.burst_s - self._burst.left
        most = min(self._credit.left, MADE_UP_S / self._frame_s) + ahead_s / self._frame_s
        if len(self._frames) > most + self._limits.backlog_s / self._frame_s:
            kept = max(1, int(most))
            self.dropped_frames += len(self._frames) - kept
            while len(self._frames) > kept:
                self._frames.popleft()
