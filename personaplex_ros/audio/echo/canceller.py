"""Taking the robot's own sound out of its microphone, frame by frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .chooser import Chooser
from .delay import Delay, DelayTracker
from .drift import Drift
from .linear import LinearCanceller
from .reference import Reference, StampedCount
from .webrtc import Processing, WebRtcCanceller

LEAD_S = 0.006
"""The reference comes so much before its echo, which the filter may then place."""
LEAP_S = 0.003
"""From so far off the reference leaps to its place; what is nearer is left to the filter."""
ADRIFT_S = 0.02
"""Stamps so far from the base begin anew where no echo has been found."""
SOUGHT_S = 4.0
"""Of the robot's speech, in which an echo is found and learnt if there is one."""
SOUNDING = 10**-4.5
"""Power from which on what is played may come back."""
LEAST_S, MOST_S, USUAL_S = -0.06, 0.55, 0.1
"""Delays on the present base, beyond which a new one is taken, so that this is the delay."""

Sound = NDArray[np.float32]


@dataclass(frozen=True)
class EchoFrame:
    """A frame of the microphone, float32 [frame_size] each.

    clean: without the echo, or as it was where nothing is cancelled. linear: without what a filter
    could subtract, so with a little echo, but with people as they are; the same as clean until
    there is a filter. for_model: whichever of the two has people as they are and no robot that a
    model could hear; as late as clean. raw: as it was. reference: what was played, as it reaches
    the microphone in this frame; None while the delay is not known.
    """

    clean: Sound
    for_model: Sound
    linear: Sound
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
    """Finds the robot's sound in the microphone and takes it out, in two stages.

    A linear filter subtracts it; WebRTC's canceller then takes what is left and processes the rest.
    The model hears either stage (`Chooser`), whoever judges what is heard both.
    missing: why the second stage is not there, though it was asked for.
    `reference` is to be told what is played (from any thread); `process` belongs to one thread.
    processing: None only finds it.
    """

    def __init__(self, rate: int, frame_size: int, processing: Processing | None) -> None:
        self.reference = Reference(rate)
        self._format = (rate, frame_size)
        self._tracker = DelayTracker(rate, frame_size)
        self._microphone = StampedCount(rate)
        self._linear = LinearCanceller(frame_size)
        self._chooser = Chooser(rate, frame_size)
        self._drift = Drift(rate, frame_size)
        self._silence: Sound = np.zeros(frame_size, np.float32)
        self._leaps = 0
        self._base: int | None = None
        self._place: float | None = None
        self._stamp_ns = 0
        self.set_processing(processing)

    def set_processing(self, processing: Processing | None) -> None:
        """Go on with other processing from the next frame on; None cancels nothing."""
        self._processing, self.missing = processing, ""
        self._steady = self._begin()
        self._sought_s = 0.0
        self._seek()

    def _begin(self) -> WebRtcCanceller | None:
        if self._processing is None:
            return None
        try:
            return WebRtcCanceller(*self._format, self._processing)
        except ImportError as error:
            self.missing = str(error)
            return None

    def _seek(self) -> None:
        """Let the filter learn anew; meanwhile a new canceller of the second kind works alone."""
        self._linear.reset()
        self._drift.reopen()
        self._urgent = self._begin()

    @property
    def cancelling(self) -> bool:
        """Whether the echo is taken out."""
        return self._processing is not None

    @property
    def path(self) -> EchoPath:
        """What is known of the way from the loudspeaker to the microphone."""
        delay, nominal = self._tracker.delay, self._nominal()
        if delay is None or nominal is None or self._base is None:
            return EchoPath(None, 0.0)
        since_s = (nominal - self._base) / self._format[0]
        return EchoPath(delay.delay_s + since_s, 1e6 * self._pace(delay))

    def process(self, samples: Sound, stamp_ns: int) -> EchoFrame:
        """Take the next frame of the microphone, captured from `stamp_ns` on."""
        size = self._format[1]
        first = self._microphone.place(stamp_ns, size)
        self._stamp_ns = stamp_ns
        self.reference.take()
        self._choose_base()
        base = self._base or 0
        nominal = self.reference.read(first + base, size)
        self._tracker.push(nominal, samples)
        delay = self._tracker.delay
        if delay is None:
            return self._cancel(samples, samples, nominal, None)
        reference, linear = self._follow(first + base, delay), samples
        if self.cancelling:
            linear = self._linear.process(samples, reference, self._drift.wander)
            self._drift.take(self._linear.mismatch)
        return self._cancel(samples, linear, reference, reference)

    def _cancel(
        self, raw: Sound, linear: Sound, expected: Sound, reference: Sound | None
    ) -> EchoFrame:
        """Return the frame after the second stage.

        One canceller follows the linear filter. One that has just begun suppresses an echo from
        its first frame on, with whoever speaks at the same time; it works until the filter has
        learnt the room, or so much speech has not come back that there is no echo.
        """
        clean = linear
        if self._steady is not None:
            clean = self._steady.process(linear, self._silence if reference is None else reference)
        if self._urgent is not None:
            clean = linear = self._urgent.process(raw, expected)
            if float(np.mean(np.square(expected))) >= SOUNDING:
                self._sought_s += self._format[1] / self._format[0]
            if self._linear.useful or self._sought_s >= SOUGHT_S:
                self._urgent = None
        for_model = self._chooser.choose(clean, linear, self._unsuppressed())
        return EchoFrame(clean, for_model, linear, raw, reference)

    def _unsuppressed(self) -> float | None:
        """Return what power of echo is left in `linear`, None where that is not to be heard."""
        wanted = self._processing
        if self._steady is None or self._urgent is not None or wanted is None:
            return None
        if wanted.noise_suppression or wanted.gain_control:
            return None
        return self._linear.residual or None

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

    def _pace(self, delay: Delay) -> float:
        return self._drift.pace if self.cancelling else delay.pace

    def _follow(self, nominal: int, delay: Delay) -> Sound:
        """Return the reference as its echo is heard now, running as the clocks do."""
        rate, size = self._format
        goal = nominal - (delay.delay_s - LEAD_S) * rate
        if self._place is None or abs(goal - self._place) > LEAP_S * rate:
            # New filters find the echo sooner than those that have learnt another delay.
            if self._place is not None:
                self._sought_s = 0.0
            self._place = goal
            self._seek()
        speed = 1.0 - self._pace(delay)
        result = self.reference.between(self._place, size, speed)
        self._place += speed * size
        return result
