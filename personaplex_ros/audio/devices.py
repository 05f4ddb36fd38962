"""Sound cards (PortAudio by way of sounddevice, which is imported only when one is asked for)."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .chunk import AudioChunk
from .clocks import SpeechPlayback
from .playback import PlaybackCounters

SECOND_NS = 1_000_000_000


class AudioDeviceError(RuntimeError):
    """A sound card cannot be used; the text says why and what to do."""


@dataclass(frozen=True)
class DeviceInfo:
    """One sound card as PortAudio sees it: index, name, channel counts, usual rate in Hz."""

    index: int
    name: str
    inputs: int
    outputs: int
    rate: int


def list_devices() -> list[DeviceInfo]:
    """Return the sound cards of this machine, perhaps none. Raises AudioDeviceError."""
    return [
        DeviceInfo(
            index,
            str(device["name"]),
            int(device["max_input_channels"]),
            int(device["max_output_channels"]),
            int(device["default_samplerate"]),
        )
        for index, device in enumerate(_sounddevice().query_devices())
    ]


class SoundCardSource:
    """A microphone: calls `callback` with an AudioChunk (int16) for every block, from its thread.

    device: PortAudio index or part of a name; None is the default input. rate: samples per second;
    None is what the card prefers. Stamps are wall-clock nanoseconds of the capture of the first
    sample, from the converter's own time. Samples that the driver lost advance `first_sample`.
    """

    def __init__(
        self,
        callback: Callable[[AudioChunk], None],
        *,
        device: int | str | None = None,
        rate: int | None = None,
        block_s: float = 0.02,
    ) -> None:
        module = _sounddevice()
        self._callback = callback
        self._rate = rate or _usual_rate(module, device, "input")
        self._next_sample = 0
        self._next_adc_s: float | None = None
        self.overflows = 0
        self._stream = _open(
            module,
            "input",
            samplerate=self._rate,
            blocksize=round(block_s * self._rate),
            device=device,
            dtype="int16",
            callback=self._on_block,
        )
        self.name = f"soundcard:{self._stream.device}"

    @property
    def rate(self) -> int:
        """Samples per second of the chunks."""
        return self._rate

    def start(self) -> None:
        """Begin to capture."""
        self._stream.start()

    def stop(self) -> None:
        """End the capture and free the card."""
        self._stream.close()

    def _on_block(self, block: NDArray[np.int16], frames: int, times: Any, status: Any) -> None:
        stamp_ns = capture_stamp_ns(
            times.inputBufferAdcTime, times.currentTime, time.time_ns(), frames, self._rate
        )
        if status.input_overflow:
            self.overflows += 1
            if self._next_adc_s is not None:
                lost_s = times.inputBufferAdcTime - self._next_adc_s
                self._next_sample += max(0, round(lost_s * self._rate))
        self._next_adc_s = times.inputBufferAdcTime + frames / self._rate
        # PortAudio uses the block's memory again after the callback.
        samples = block[:, 0].copy()
        self._callback(AudioChunk(samples, self._rate, 1, stamp_ns, self._next_sample, self.name))
        self._next_sample += frames


class SoundCardSink:
    """A loudspeaker: `write` speech at any time, the card takes it at its own pace.

    sample_rate: of what is written; resampled to the card's, whose clock is followed. buffer_s: the
    most that may wait; start_s: what has to wait before playing starts (see SpeechPlayback).
    """

    def __init__(
        self,
        sample_rate: int,
        *,
        device: int | str | None = None,
        buffer_s: float = 1.0,
        start_s: float = 0.1,
    ) -> None:
        module = _sounddevice()
        rate = _usual_rate(module, device, "output")
        self._playback = SpeechPlayback(sample_rate, rate, buffer_s=buffer_s, start_s=start_s)
        self._stream = _open(
            module,
            "output",
            samplerate=rate,
            device=device,
            dtype="float32",
            callback=self._on_block,
        )

    def start(self) -> None:
        """Begin to play."""
        self._stream.start()

    def write(self, samples: NDArray[np.float32]) -> None:
        """Queue speech, float32 [n] in [-1, 1]; never blocks."""
        self._playback.write(samples)

    def clear(self) -> None:
        """Fall silent at once: drop what waits."""
        self._playback.clear()

    def stop(self) -> None:
        """End playing and free the card."""
        self._stream.close()

    def snapshot(self) -> PlaybackCounters:
        """Return a copy of the counters, in samples of the card's rate."""
        return self._playback.snapshot()

    def _on_block(self, block: NDArray[np.float32], frames: int, times: Any, status: Any) -> None:
        block[:, 0] = self._playback.read(frames)


def capture_stamp_ns(adc_s: float, current_s: float, wall_ns: int, frames: int, rate: int) -> int:
    """Map the converter's time of a block's first sample to the wall clock.

    adc_s and current_s are PortAudio's stream time of that sample and of the callback, wall_ns the
    wall clock in the callback. Some host interfaces leave adc_s at 0 or make up nonsense; then the
    block of `frames` samples is taken to have ended at the callback.
    """
    age_s = current_s - adc_s
    if adc_s <= 0.0 or not 0.0 <= age_s < 10.0:
        age_s = frames / rate
    return wall_ns - round(age_s * SECOND_NS)


def _sounddevice() -> Any:
    try:
        import sounddevice
    except ImportError as error:
        raise AudioDeviceError(
            "sound cards need the Python package 'sounddevice': pip install sounddevice"
        ) from error
    except OSError as error:
        raise AudioDeviceError(
            f"the PortAudio library is missing ({error}): sudo apt install libportaudio2"
        ) from error
    return sounddevice


def _usual_rate(module: Any, device: int | str | None, kind: str) -> int:
    try:
        return int(module.query_devices(device, kind)["default_samplerate"])
    except (module.PortAudioError, ValueError) as error:
        raise AudioDeviceError(_no_device(kind, device, error)) from error


def _open(module: Any, kind: str, **arguments: Any) -> Any:
    stream_class = module.InputStream if kind == "input" else module.OutputStream
    try:
        return stream_class(channels=1, **arguments)
    except (module.PortAudioError, ValueError) as error:
        raise AudioDeviceError(_no_device(kind, arguments["device"], error)) from error


def _no_device(kind: str, device: int | str | None, error: Exception) -> str:
    which = f"default {kind} device" if device is None else f"{kind} device '{device}'"
    return (
        f"the {which} cannot be opened ({error}); 'python -m sounddevice' lists the sound cards, "
        "and without one topics or files serve as source and sink"
    )
