"""How long after it was played the robot's sound reaches the microphone, and how that drifts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .drift import FASTEST, USUAL

RATE = 4_000
"""Samples a second at which both are compared: voices have their power below its half."""
WINDOW_S = 0.96
REACH_S = 0.72
"""Range of delays that are looked for."""
HOP_FRAMES = 4
BAND_HZ = (150.0, 1_850.0)
MEMORY_S = 2.0
ACTIVE_DBFS = -60.0
NEW_SHARE = 0.1
SURE = 12.0
"""Peak of the correlation against its RMS, from which on it counts."""
NEAR_S = 0.003
"""What lies farther from the prediction is another path, or a leap."""
AGREED, AGREED_ANEW = 3, 8
"""Measurements in a row that agree on a delay: the first, and another than the one that was known,
for now and then a reflection is stronger than the direct sound for a second."""
NOISE_S = 0.3e-3
"""Standard deviation of a measurement; those that follow each other have much in common."""
WANDER_S, WANDER_PACE = 0.02e-3, 2e-6
"""By how much delay and drift wander within a second."""
BELIEVED = 60e-6
"""Standard deviation of the drift from which on it is used."""

Sound = NDArray[np.float32]


@dataclass(frozen=True)
class Delay:
    """delay_s: of the echo now. pace: by how much it grows, in seconds a second."""

    delay_s: float
    pace: float


class DelayTracker:
    """Compares both streams by their coherence and follows the peak with its slope.

    `push` takes frames of both that are nominally simultaneous. Delays from -frame to
    `REACH_S` - frame are found. rate, frame_size: of the frames; rate must be a multiple of 4 kHz.
    """

    def __init__(self, rate: int, frame_size: int) -> None:
        if rate % RATE or frame_size % (rate // RATE):
            raise ValueError(f"the rate must be a multiple of {RATE} Hz, got {rate} Hz")
        self._decimate = _Decimator(rate // RATE)
        self._other = _Decimator(rate // RATE)
        self._frame_s = frame_size / rate
        self._window = round(WINDOW_S * RATE)
        self._reach = round(REACH_S * RATE)
        self._size = _fast_length(self._window + self._reach)
        frequencies = np.fft.rfftfreq(self._size, 1.0 / RATE)
        self._band = (frequencies >= BAND_HZ[0]) & (frequencies <= BAND_HZ[1])
        self._ages = self._frame_s + np.arange(self._window, 0, -1, np.float32) / RATE
        self._keep = float(np.exp(-HOP_FRAMES * self._frame_s / MEMORY_S))
        self._seconds = 0.0
        self._line: _Line | None = None
        self._rival: _Line | None = None
        self.restart()

    def restart(self) -> None:
        """Compare anew, after a leap in one of the streams; what is known of the drift is kept."""
        chunk = round(self._frame_s * RATE)
        self._reference = np.zeros(self._window + self._reach, np.float32)
        self._microphone = np.zeros(self._window + chunk, np.float32)
        self._frames = 0
        self._sums: _Sums | None = None

    def moved(self, seconds: float) -> None:
        """Note that the nominal delay now counts from `seconds` later."""
        for line in (self._line, self._rival):
            if line is not None:
                line.delay_s -= seconds
        self.restart()

    @property
    def delay(self) -> Delay | None:
        """The present delay; None until it was found."""
        line = self._line
        if line is None:
            return None
        return Delay(line.at(self._seconds), line.pace if line.doubt <= BELIEVED else 0.0)

    def push(self, reference: Sound, microphone: Sound) -> None:
        """Take the next frame of both, float32 [frame_size]."""
        _shift_in(self._reference, self._decimate.push(reference))
        _shift_in(self._microphone, self._other.push(microphone))
        self._seconds += self._frame_s
        self._frames += 1
        full = self._frames * self._frame_s >= WINDOW_S
        if self._frames % HOP_FRAMES == 0 and full:
            found = self._measure()
            if found is not None:
                self._follow(*found)

    def _measure(self) -> tuple[float, float] | None:
        """Return the delay of the peak and from when it is, in seconds, if there is a sure one."""
        # The microphone's last frame waits, so that an echo that seems early is found, too.
        heard = self._microphone[: self._window]
        if not self._is_new(heard):
            return None
        padded = np.zeros(self._size, np.float32)
        padded[self._reach : self._reach + self._window] = heard
        x = np.fft.rfft(self._reference, self._size)[self._band]
        y = np.fft.rfft(padded)[self._band]
        sums = self._sums or _Sums(0.0, 0.0, 0.0, 0.0, 0.0)
        energies = np.square(heard)
        energy = float(energies.sum())
        age_s = float(energies @ self._ages) / energy
        keep = self._keep
        self._sums = sums = _Sums(
            keep * sums.xx + np.square(np.abs(x)),
            keep * sums.yy + np.square(np.abs(y)),
            keep * sums.xy + y * np.conj(x),
            keep * sums.energy + energy,
            keep * sums.seconds + energy * (self._seconds - age_s),
        )
        spectrum = np.zeros(self._size // 2 + 1, np.complex128)
        spectrum[self._band] = sums.xy / np.sqrt(sums.xx * sums.yy + 1e-20)
        correlation = np.abs(np.fft.irfft(spectrum, self._size)[: self._reach])
        at = int(np.argmax(correlation))
        peak = float(correlation[at])
        rest = np.delete(correlation, slice(max(0, at - 8), at + 9))
        if peak < SURE * float(np.sqrt(np.mean(np.square(rest)))):
            return None
        delay_s = (at + _vertex(correlation, at)) / RATE - self._frame_s
        return delay_s, sums.seconds / sums.energy

    def _is_new(self, heard: Sound) -> bool:
        """Whether both streams sounded since the last time: what is old must not count twice."""
        hop = round(HOP_FRAMES * self._frame_s * RATE)
        played = float(np.mean(np.square(self._reference[-hop:])))
        new, all_of_it = (float(np.mean(np.square(part))) for part in (heard[-hop:], heard))
        return played >= 10 ** (ACTIVE_DBFS / 10) and new > NEW_SHARE * all_of_it

    def _follow(self, delay_s: float, then_s: float) -> None:
        line, rival = self._line, self._rival
        if line is not None and abs(delay_s - line.at(then_s)) <= NEAR_S:
            line.take(delay_s, then_s)
            self._rival = None
            return
        if rival is None or abs(delay_s - rival.at(then_s)) > NEAR_S:
            # The clocks are the same as before, whatever the way is.
            clocks = (0.0, USUAL) if line is None else (line.pace, line.doubt)
            self._rival = _Line(delay_s, then_s, *clocks)
            return
        rival.take(delay_s, then_s)
        if rival.count >= (AGREED if line is None else AGREED_ANEW):
            self._line, self._rival = rival, None


@dataclass
class _Sums:
    xx: NDArray[np.float64] | float
    yy: NDArray[np.float64] | float
    xy: NDArray[np.complex128] | float
    energy: float  # of the microphone
    seconds: float  # energy times when it was


class _Line:
    """A delay with its slope, followed by a Kalman filter: measurements come at any distance."""

    def __init__(self, delay_s: float, seconds: float, pace: float, doubt: float) -> None:
        self.delay_s, self.pace = delay_s, pace
        self.count = 1
        self._seconds = seconds
        # Variances of delay and pace, and what they have in common.
        self._var_s, self._var_both, self._var_pace = NOISE_S**2, 0.0, doubt**2

    @property
    def doubt(self) -> float:
        """Standard deviation of the pace."""
        return float(np.sqrt(self._var_pace))

    def at(self, seconds: float) -> float:
        return self.delay_s + self.pace * (seconds - self._seconds)

    def take(self, delay_s: float, seconds: float) -> None:
        step = max(0.0, seconds - self._seconds)
        self.delay_s, self._seconds = self.at(self._seconds + step), self._seconds + step
        self._var_s += step * (2 * self._var_both + step * self._var_pace) + step * WANDER_S**2
        self._var_both += step * self._var_pace
        self._var_pace += step * WANDER_PACE**2
        gain_s = self._var_s / (self._var_s + NOISE_S**2)
        gain_pace = self._var_both / (self._var_s + NOISE_S**2)
        error_s = delay_s - self.delay_s
        self.delay_s += gain_s * error_s
        self.pace = float(np.clip(self.pace + gain_pace * error_s, -FASTEST, FASTEST))
        self._var_pace -= gain_pace * self._var_both
        self._var_both *= 1.0 - gain_s
        self._var_s *= 1.0 - gain_s
        self.count += 1


class _Decimator:
    """Takes every n-th sample of a stream behind a low-pass filter."""

    def __init__(self, factor: int) -> None:
        self._factor = factor
        taps = 8 * factor + 1
        at = np.arange(taps) - taps // 2
        kernel = np.sinc(0.9 * at / factor) * np.hamming(taps)
        self._kernel = (kernel / kernel.sum()).astype(np.float32)
        self._rest: Sound = np.zeros(taps - 1, np.float32)

    def push(self, samples: Sound) -> Sound:
        known = np.concatenate((self._rest, samples))
        self._rest = known[len(samples) :]
        windows = np.lib.stride_tricks.sliding_window_view(known, len(self._kernel))
        return windows[:: self._factor] @ self._kernel


def _shift_in(history: Sound, new: Sound) -> None:
    history[: -len(new)] = history[len(new) :]
    history[-len(new) :] = new


def _vertex(values: NDArray[np.float64], at: int) -> float:
    """Return how far from `at` the parabola through it and its neighbours is highest."""
    if not 0 < at < len(values) - 1:
        return 0.0
    before, top, after = values[at - 1 : at + 2]
    bend = before - 2 * top + after
    return 0.0 if bend >= 0 else float(0.5 * (before - after) / bend)


def _fast_length(least: int) -> int:
    """Return a length from `least` on whose transform is quick."""

    def factors(number: int) -> int:
        for prime in (2, 3, 5):
            while number % prime == 0:
                number //= prime
        return number

    return next(n for n in range(least + least % 2, 2 * least, 2) if factors(n) == 1)
