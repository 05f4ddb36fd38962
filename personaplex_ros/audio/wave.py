"""Reading and writing of sound files (libsndfile by way of soundfile)."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np
import soundfile
from numpy.typing import NDArray

from personaplex_ros.files import WholeFile, told

from .chunk import ChunkLimits
from .formats import output_format
from .mono import INTEGER_SCALES, channel_remark
from .pcm import float32_to_int16

LOUDEST = 10.0  # 20 dB over full scale; hot mixes stay far below, integers made float lie above
HEADER = 4096  # bytes in which the samples of a WAV file begin
UNKNOWN = (1 << 63) - 1  # libsndfile's number of frames where the header has none


@dataclass(frozen=True)
class Wave:
    """The content of a sound file.

    `samples` is float32 [n, channels], full scale 1.0; `rate` is in samples per second.
    """

    samples: NDArray[np.float32]
    rate: int

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.rate

    @property
    def remark(self) -> str:
        """Which of the channels alone is heard, and why; empty where all are (`to_mono`)."""
        return channel_remark(self.samples)


def read_wave(path: str | Path) -> Wave:
    """Read a sound file of any format that libsndfile knows (WAV, FLAC, OGG, ...).

    A WAV file whose writer was ended before it could write the length is read to its end. Raises
    FileNotFoundError where there is no such file, and ValueError where it is not a sound file,
    holds no samples, has a rate or channels that no microphone has, or values that are not finite
    or far beyond full scale.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"sound file '{path}' does not exist")
    try:
        samples, rate = _read(path)
    except soundfile.LibsndfileError as error:
        raise ValueError(
            f"'{path}' cannot be read as a sound file ({error.error_string}); "
            "convert it to WAV, FLAC or OGG"
        ) from error
    if len(samples) == 0:
        raise ValueError(f"sound file '{path}' holds no samples")
    if not np.isfinite(samples).all():
        raise ValueError(f"sound file '{path}' holds NaN or infinite samples; export it again")
    peak = max(float(samples.max()), -float(samples.min()))
    if peak > LOUDEST:
        scale = next((scale for scale in INTEGER_SCALES if peak <= scale), peak)
        raise ValueError(
            f"sound file '{path}' has float samples as large as {peak:.6g}, but full scale is 1.0: "
            f"divide them by {scale:.6g}, or export it as 16-bit PCM"
        )
    return Wave(samples, rate)


def _read(path: Path) -> tuple[NDArray[np.float32], int]:
    """Return samples [n, channels] and rate; ValueError where they are out of all bounds."""
    limits = ChunkLimits()
    with soundfile.SoundFile(_with_length(path)) as file:
        if not limits.min_rate <= file.samplerate <= limits.max_rate:
            raise ValueError(
                f"sound file '{path}' has {file.samplerate} samples a second; from "
                f"{limits.min_rate} to {limits.max_rate} Hz are understood: resample it"
            )
        if file.channels > limits.max_channels:
            raise ValueError(
                f"sound file '{path}' has {file.channels} channels; at most "
                f"{limits.max_channels} are understood"
            )
        if file.frames == UNKNOWN:
            raise ValueError(
                f"sound file '{path}' does not say how long it is, as when it was written into a "
                "pipe: convert it to WAV"
            )
        try:
            return file.read(dtype="float32", always_2d=True), int(file.samplerate)
        except MemoryError as error:
            raise ValueError(
                f"sound file '{path}' says that it has {file.frames} samples, more than there is "
                "memory for: it is damaged, or to be cut into parts"
            ) from error


def _with_length(path: Path) -> Path | io.BytesIO:
    """Return a WAV file whose header was left at length 0, as when it began, with its length."""
    with path.open("rb") as file:
        head = file.read(HEADER)
        place = head.find(b"data\0\0\0\0")
        unfinished = head[:4] == b"RIFF" and int.from_bytes(head[4:8], "little") <= place
        if place < 0 or not unfinished:
            return path
        rest = file.read()
    unknown = b"\xff\xff\xff\xff"
    return io.BytesIO(head[:4] + unknown + head[8 : place + 4] + unknown + head[place + 8 :] + rest)


def write_wave(path: str | Path, samples: NDArray[np.floating], rate: int) -> None:
    """Write float samples [n] or [n, channels], full scale 1.0, in the format of `output_format`.

    Values outside [-1, 1] are clipped. The file appears when it is complete (`files.write_whole`).
    Raises ValueError for another shape or extension or a rate below 1, OSError where it cannot be
    written.
    """
    samples = np.asarray(samples)
    if samples.ndim not in (1, 2):
        raise ValueError(f"samples for '{path}' must be [n] or [n, channels], got {samples.shape}")
    with WaveWriter(path, rate, channels=1 if samples.ndim == 1 else samples.shape[1]) as writer:
        writer.write(samples)


class WaveWriter:
    """A sound file that grows block by block, for recordings of unknown length.

    Its format is that of `output_format`: 16-bit PCM, or Vorbis in OGG.

    It appears when `close` completes it, as `personaplex_ros.files` says; `discard` drops it, and
    what had the name is as it was. As a context manager it closes after success and discards after
    an exception. All raise OSError that says in words why the file cannot be written.
    """

    def __init__(self, path: str | Path, rate: int, channels: int = 1) -> None:
        if rate < 1 or channels < 1:
            raise ValueError(f"'{path}': rate {rate} and channels {channels} must be positive")
        self._path = Path(path)
        self._channels = channels
        kind = output_format(path)
        self._whole = WholeFile(path)
        self._output = _Output(self._whole.place)
        try:
            with self._told():
                self._file = soundfile.SoundFile(
                    self._output, "w", rate, channels, kind.encoding, format=kind.container
                )
        except BaseException:
            self._drop()
            raise

    def write(self, samples: NDArray[np.floating]) -> None:
        """Append float samples [n] (mono) or [n, channels]; values outside [-1, 1] are clipped."""
        channels = 1 if samples.ndim == 1 else samples.shape[-1]
        if channels != self._channels:
            raise ValueError(f"'{self._path}' has {self._channels} channels, got {channels}")
        # libsndfile scales floats by 32767 but reads with 32768: integers keep the values exact.
        with self._told():
            self._file.write(float32_to_int16(samples))

    def close(self) -> None:
        """Finish the file and give it its name. A second call does nothing."""
        if not self._file.closed:
            try:
                with self._told():
                    self._file.close()
                self._whole.finish()
            finally:
                self._drop()

    def discard(self) -> None:
        """Drop what was written, leaving a file that had the name before untouched."""
        if not self._file.closed:
            with suppress(soundfile.LibsndfileError):  # nobody misses what it could not write
                self._file.close()
            self._drop()

    def _drop(self) -> None:
        self._output.close()
        self._whole.discard()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Raise the error of the system where libsndfile only knows that it failed."""
        with told(self._path):
            try:
                yield
            except (soundfile.LibsndfileError, AssertionError):
                if self._output.error is None:
                    raise
            if self._output.error is not None:
                raise self._output.error

    def __enter__(self) -> WaveWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()


class _Output(io.FileIO):
    """A file for libsndfile, which calls it, that keeps the first error of the system."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "w+")
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:  # type: ignore[override]
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[super().write(rest) :]
        except OSError as error:
            self.error = self.error or error
        return len(data) - len(rest)
