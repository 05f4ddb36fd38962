"""Voice activity: which stretches of the person's and of the robot's sound are active."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from personaplex_ros.audio.resample import StreamResampler

from .silero import RATE, WINDOW, Silero


@dataclass(frozen=True)
class Activity:
    """The verdict on one short window of a stream.

    offset_samples: the window's first sample, counted from the first sample of the frame that was
    pushed; negative where it began in an earlier frame. length_samples: its length. Both at the
    rate of the stream. probability: that it holds activity, 0 to 1.
    """

    offset_samples: int
    length_samples: int
    probability: float


class SpeechActivity:
    """Probability of speech in the microphone's audio, by Silero VAD v6 (PyPI silero-vad, MIT).

    The network reads windows of 512 samples (32 ms) at 16 kHz; frames of any other rate pass a
    streaming resampler first. Every object has its own network state. `push` takes about 1.5 ms for
    80 ms of audio on one CPU core, and lags by up to one window and the resampler's latency
    (10 ms from 24 kHz).
    """

    RATE, WINDOW = RATE, WINDOW
    QUIET = 0.05
    """Probability below which a window is quiet."""

    def __init__(self, sample_rate: int, frame_size: int) -> None:
        self.sample_rate = sample_rate
        self.frame_size = frame_size
        self._network = Silero()
        self._resampler = StreamResampler(sample_rate, self.RATE)
        self._rest: NDArray[np.float32] = np.zeros(0, np.float32)
        self._pushed = 0  # samples at sample_rate
        self._windows = 0
        self._quiet = 0

    def push(self, samples: NDArray[np.float32]) -> list[Activity]:
        """Take the next frame, float32 [frame_size]; return the windows that ended with it."""
        _check_frame(samples, self.frame_size)
        audio = np.concatenate((self._rest, self._resampler.push(samples)))
        count = len(audio) // self.WINDOW
        activity = []
        for window in audio[: count * self.WINDOW].reshape(count, self.WINDOW):
            first = self._at_input_rate(self._windows)
            self._windows += 1
            length = self._at_input_rate(self._windows) - first
            probability = self._network.probability(window)
            self._quiet = self._quiet + 1 if probability < self.QUIET else 0
            activity.append(Activity(first - self._pushed, length, probability))
        self._rest = audio[count * self.WINDOW :]
        self._pushed += self.frame_size
        return activity

    @property
    def quiet_s(self) -> float:
        """How long it has been quiet."""
        return self._quiet * self.WINDOW / self.RATE

    def refresh(self) -> None:
        """Let the network forget what it heard, as of a murmur that made it deaf to who begins."""
        self._network.reset()
        self._quiet = 0

    def reset(self) -> None:
        """Forget everything heard so far."""
        self.refresh()
        self._resampler.reset()
        self._rest = np.zeros(0, np.float32)
        self._pushed = self._windows = 0

    def _at_input_rate(self, window: int) -> int:
        return round(window * self.WINDOW * self.sample_rate / self.RATE)


@dataclass
class _LevelState:
    active: bool = False
    rest: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))


class LevelActivity:
    """Activity of clean audio, such as the robot's own speech, by its level.

    A window becomes active when its RMS level reaches `on_dbfs` and stays so until one falls below
    `off_dbfs` (0 dBFS: RMS 1.0). How long a pause may be is not decided here but by SpeechGate, so
    that the end of a sound keeps its time.
    """

    def __init__(
        self,
        sample_rate: int,
        frame_size: int,
        *,
        on_dbfs: float = -45.0,
        off_dbfs: float = -50.0,
        window_s: float = 0.02,
    ) -> None:
        if off_dbfs > on_dbfs:
            raise ValueError(f"off_dbfs {off_dbfs} must not exceed on_dbfs {on_dbfs}")
        self.frame_size = frame_size
        self._window = round(window_s * sample_rate)
        if self._window < 1:
            raise ValueError(f"window_s {window_s} holds no sample at {sample_rate} Hz")
        self._on = 10.0 ** (on_dbfs / 10.0)
        self._off = 10.0 ** (off_dbfs / 10.0)
        self._state = _LevelState()

    def push(self, samples: NDArray[np.float32]) -> list[Activity]:
        """Take the next frame, float32 [frame_size]; return the windows that ended with it."""
        _check_frame(samples, self.frame_size)
        state = self._state
        offset = -len(state.rest)
        audio = np.concatenate((state.rest, samples))
        count = len(audio) // self._window
        windows = audio[: count * self._window].reshape(count, self._window)
        activity = []
        for power in np.einsum("ij,ij->i", windows, windows) / self._window:
            state.active = bool(power >= (self._off if state.active else self._on))
            activity.append(Activity(offset, self._window, float(state.active)))
            offset += self._window
        state.rest = audio[count * self._window :]
        return activity

    def reset(self) -> None:
        """Forget everything heard so far."""
        self._state = _LevelState()


def _check_frame(samples: NDArray[np.float32], frame_size: int) -> None:
    if samples.shape != (frame_size,) or samples.dtype != np.float32:
        raise ValueError(
            f"a frame must be float32 [{frame_size}], got {samples.dtype} {list(samples.shape)}"
        )
