"""Subtracting the echo by an adaptive filter as long as the room's reverberation.

A Kalman filter in the frequency domain, in partitions of a frame (Enzner and Vary, "Frequency-
domain adaptive Kalman filter for acoustic echo control", Signal Processing 86, 2006; Kuech, Mabande
and Enzner, "State-space architecture of the partitioned-block-based acoustic echo controller",
ICASSP 2014). It knows how sure it is of each frequency, so a person who speaks at the same time
neither spoils it nor is taken away, as nothing but a filtered copy of the reference is subtracted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PARTITIONS = 6
"""Frames of the filter: 0.48 s, in which a room of 0.8 s of reverberation decays by 36 dB."""
PRIOR, DECAY = 1.0, 0.5
"""Power that a response may have at first, and how much less in each later partition."""
STEADY = 0.9998
"""What a room keeps of its response from one frame to the next, as an amplitude."""
NOISE_KEEP = 0.5
"""Of the spectrum of everything that is not echo, from one frame to the next."""
BAND = 1 / 3
"""Share of the spectrum by which the filter is compared with what is heard: voices lie there."""
MOST_DOUBT, GAIN_DOUBT = 0.5, 0.5
"""Of the power of the response: the most that a frame adds to the doubt, and what a wrong gain
adds, where it is certain."""
CERTAIN = 25.0
"""From so many variances on a wrong gain counts."""
LEAST = 1e-7
"""Power a sample that is always taken for noise."""
USEFUL, WORSE = 0.1, 2.0
"""Power that is left, as a share of what is heard: from which on the filter has learnt the room,
and from which on it begins anew."""
JUDGED_KEEP = 0.9
"""Of these powers, from one frame to the next."""

Sound = NDArray[np.float32]


@dataclass(frozen=True)
class Mismatch:
    """How the echo of a frame differed from what was expected.

    late: by how many samples it was later. variance: of that, infinite where nothing is known.
    """

    late: float
    variance: float


class LinearCanceller:
    """Subtracts from a microphone what a room makes of a reference, frame by frame.

    It adds no delay. useful: whether it has learnt the room so far that nine tenths of the power
    went for a while. `mismatch` tells of the last frame by how much the echo was late against the
    filter, from which the drift of two clocks can be followed; `residual`, how much power of its
    echo is left, by how unsure the filter is: within 5 dB, unless the loudspeaker distorts it.
    """

    def __init__(self, frame_size: int) -> None:
        self._size = frame_size
        bins = frame_size + 1
        self._omega = (np.pi / frame_size * np.arange(bins)).astype(np.float32)
        self._squares = np.square(self._omega)
        self._band = slice(1, round(BAND * frame_size))
        self._padded = np.zeros(2 * frame_size, np.float32)
        self._behind_silence = np.zeros(2 * frame_size, np.float32)
        self._prior = np.repeat(PRIOR * DECAY ** np.arange(PARTITIONS), bins)
        self._prior = self._prior.reshape(PARTITIONS, bins).astype(np.float32)
        self._references = np.zeros((PARTITIONS, bins), np.complex64)
        self._quiet = PARTITIONS
        self.reset()

    def reset(self) -> None:
        """Begin with a filter that knows nothing."""
        self._response = np.zeros_like(self._references)
        self._doubt = self._prior.copy()
        self._noise = np.zeros(self._size + 1, np.float32)
        self._heard = self._left = 0.0
        self.useful = False
        self.residual = 0.0
        self.mismatch = Mismatch(0.0, np.inf)

    def process(self, microphone: Sound, reference: Sound, wander: float) -> Sound:
        """Return a frame without the echo of `reference`; all are float32 [frame_size].

        wander: variance of the samples by which the echo may have moved since the last frame.
        """
        self._take(reference)
        if self._quiet > PARTITIONS:  # no part of the filter has anything to answer to
            return self._wait(microphone, wander)
        echo = np.fft.irfft(np.sum(self._references * self._response, axis=0))
        left: Sound = (microphone - echo[self._size :]).astype(np.float32)
        if self._is_worse(microphone, left):
            self.reset()
            return microphone
        error, expected = self._spectrum(left), self._spectrum(microphone)
        expected -= error
        self._hear(error)
        gain = self._compare(error, expected)
        self._adapt(error, wander, gain)
        return left

    def _wait(self, microphone: Sound, wander: float) -> Sound:
        """Take a frame while nothing is played: it costs a third of one with an echo."""
        self._hear(self._spectrum(microphone))
        self.residual = 0.0
        self.mismatch = Mismatch(0.0, np.inf)
        self._forget(wander, 0.0)
        return microphone

    def _hear(self, error: NDArray[np.complex64]) -> None:
        self._noise *= NOISE_KEEP
        self._noise += (1.0 - NOISE_KEEP) * _power(error)

    def _take(self, reference: Sound) -> None:
        self._padded[: self._size] = self._padded[self._size :]
        self._padded[self._size :] = reference
        self._references[1:] = self._references[:-1]
        self._references[0] = np.fft.rfft(self._padded)
        silent = float(np.mean(np.square(reference))) < LEAST
        self._quiet = self._quiet + 1 if silent else 0

    def _spectrum(self, samples: Sound) -> NDArray[np.complex64]:
        self._behind_silence[self._size :] = samples
        return np.fft.rfft(self._behind_silence).astype(np.complex64, copy=False)

    def _is_worse(self, microphone: Sound, left: Sound) -> bool:
        """Whether the filter adds sound, or sound that is no number; note whether it is useful."""
        self._heard += (1.0 - JUDGED_KEEP) * (float(np.mean(np.square(microphone))) - self._heard)
        self._left += (1.0 - JUDGED_KEEP) * (float(np.mean(np.square(left))) - self._left)
        self.useful = self.useful or self._left < USEFUL * self._heard
        return not self._left <= WORSE * self._heard + LEAST

    def _compare(self, error: NDArray[np.complex64], expected: NDArray[np.complex64]) -> float:
        """Note by how much the echo is late, by least squares; return the wrong gain's square."""
        band = self._band
        noise = self._noise[band] + LEAST * self._size
        error, expected, omega = error[band], expected[band], self._omega[band]
        common = error * np.conj(expected) / noise
        power = _power(expected) / noise
        lateness, loudness = float(self._squares[band] @ power), float(np.sum(power))
        if not lateness > 0.0:
            self.mismatch = Mismatch(0.0, np.inf)
            return 0.0
        self.mismatch = Mismatch(-float(omega @ common.imag) / lateness, 1.0 / lateness)
        gain = float(np.sum(common.real)) / loudness
        return max(0.0, gain * gain - CERTAIN / loudness)

    def _adapt(self, error: NDArray[np.complex64], wander: float, gain: float) -> None:
        """Learn from what is left, as far as each frequency is unsure and not drowned."""
        references, doubt = self._references, self._doubt
        powers = _power(references)
        unsure = np.sum(doubt * powers, axis=0)
        self.residual = float(np.sum(unsure)) / (2 * self._size**2)
        # Half of a padded frame is silence, which halves what it tells.
        spread = 0.5 * unsure + self._noise + LEAST * self._size
        trust = doubt / spread
        steps = np.fft.irfft(trust * np.conj(references) * error, axis=1)
        steps[:, self._size :] = 0.0
        self._response += np.fft.rfft(steps, axis=1)
        doubt *= 1.0 - 0.5 * trust * powers
        self._forget(wander, gain)

    def _forget(self, wander: float, gain: float) -> None:
        """Become less sure, as rooms and clocks change; gain: square of how wrong it was."""
        doubt = self._doubt
        doubt *= STEADY**2
        moved = np.minimum(MOST_DOUBT, wander * self._squares + GAIN_DOUBT * gain)
        learnt = _power(self._response)
        doubt += (1.0 - STEADY**2 + moved) * learnt
        np.minimum(doubt, learnt + self._prior, out=doubt)


def _power(spectrum: NDArray[np.complex64]) -> Sound:
    return np.square(spectrum.real) + np.square(spectrum.imag)
