"""Taking the robot's own sound out of its microphone, frame by frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .delay import Delay, DelayTracker
from .reference import Reference, StampedCount
from .webrtc import Processing, WebRtcCanceller

LEAD_S = 0.006
"""The reference comes so much before its echo, which the filter may then place."""
LEAP_S = 0.003
"""From so far off the reference leaps to its place; what is nearer it approaches."""
APPROACH_S = 4.0
GENTLE = 60e-6
"""The most by which it runs faster or slower to get there."""
ADRIFT_S = 0.02
"""Stamps so far from the base begin anew where no echo has been found."""
LEAST_S, MOST_S, USUAL_S = -0.06, 0.55, 0.1
"""Delays on the present base, beyond which a new one is taken, so that this is the delay."""

Sound = NDArray[np.float32]


@dataclass(frozen=True)
class EchoFrame:
    """A frame of the microphone, float32 [frame_size] each.

    clean: without the echo, or as it was where nothing is cancelled. raw: as it was. reference:
    what was played, as it reaches the microphone in this frame; None while the delay is not known.
    """

    clean: Sound
    raw: Sound
    reference: Sound | None


@dataclass(frozen=True)
class EchoPath:
    """delay_s: from when a sample is said to be played to when it is heard; None: not known yet.

    drift_ppm: by how much the loudspeaker's clock is slower than the microphone's.
    """

    delay_s: float | None
    drift_ppm: float


class EchoCanceller:
    """Finds the robot's sound in the microphone and takes it out.

    `reference` is to be told what is played (from any thread); `process` belongs to one thread.
    processing: None only finds it. Raises ImportError where the library is missing.
    """

    def __init__(self, rate: int, frame_size: int, processing: Processing | None) -> None:
        self.reference = Reference(rate)
        self._format = (rate, frame_size)
        self._tracker = DelayTracker(rate, frame_size)
        self._microphone = StampedCount(rate)
        self._leaps = 0
        self._base: int | None = None
        self._place: float | None = None
        self._stamp_ns = 0
        self.set_processing(processing)

    def set_processing(self, processing: Processing | None) -> None:
        """Go on with other processing from the next frame on; None cancels nothing."""
        made = None if processing is None else WebRtcCanceller(*self._format, processing)
        self.processing, self._canceller = processing, made

    @property
    def cancelling(self) -> bool:
        """Whether the echo is taken out."""
        return self._canceller is not None

    @property
    def path(self) -> EchoPath:
        """What is known of the way from the loudspeaker to the microphone."""
        delay, nominal = self._tracker.delay, self._nominal()
        if delay is None or nominal is None or self._base is None:
            return EchoPath(None, 0.0)
        since_s = (nominal - self._base) / self._format[0]
        return EchoPath(delay.delay_s + since_s, 1e6 * delay.pace)

    def process(self, samples: Sound, stamp_ns: int) -> EchoFrame:
        """Take the next frame of the microphone, captured from `stamp_ns` on."""
        size = self._format[1]
        first = self._microphone.place(stamp_ns, size)
        self._stamp_ns = stamp_ns
        self.reference.take()
        self._choose_base()
        base = self._base or 0
        self._tracker.push(self.reference.read(first + base, size), samples)
        delay = self._tracker.delay
        reference = self._follow(first + base, delay)
        clean = samples
        if self._canceller is not None:
            clean = self._canceller.process(samples, reference)
        return EchoFrame(clean, samples, None if delay is None else reference)

    def _nominal(self) -> int | None:
        """Return by how much the loudspeaker's count is ahead of the microphone's, by stamps."""
        index = self.reference.index_at(self._stamp_ns)
        here = self._microphone.index_at(self._stamp_ns)
        return None if index is None or here is None else index - here

    def _choose_base(self) -> None:
        nominal = self._nominal()
        if nominal is None:
            return
        leaps = self.reference.leaps + self._microphone.leaps
        delay = self._tracker.delay
        rate = self._format[0]
        if self._base is None:
            self._base, self._leaps = nominal, leaps
        elif leaps != self._leaps:
            self._leaps = leaps
            self._tracker.restart()
        elif delay is None and abs(nominal - self._base) > ADRIFT_S * rate:
            self._base = nominal
            self._tracker.restart()
        elif delay is not None and not LEAST_S <= delay.delay_s <= MOST_S:
            # The clocks have drifted so far apart: count from where the echo is usual again.
            by = round((delay.delay_s - USUAL_S) * rate)
            self._base -= by
            self._tracker.moved(by / rate)

    def _follow(self, nominal: int, delay: Delay | None) -> Sound:
        """Return the reference as its echo is heard now, running as the clocks do."""
        rate, size = self._format
        goal, pace = float(nominal), 0.0
        if delay is not None:
            goal, pace = goal - (delay.delay_s - LEAD_S) * rate, delay.pace
        off = 0.0 if self._place is None else goal - self._place
        if self._place is None or abs(off) > LEAP_S * rate:
            if self._place is not None and self.processing is not None:
                # A new filter finds the echo sooner than one that has learnt another delay.
                self.set_processing(self.processing)
            self._place, off = goal, 0.0
        speed = 1.0 - pace + float(np.clip(off / (APPROACH_S * rate), -GENTLE, GENTLE))
        result = self.reference.between(self._place, size, speed)
        self._place += speed * size
        return result
