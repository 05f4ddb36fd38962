"""Where the microphone's audio comes from and where speech goes besides its topic."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from personaplex_ros.audio import (
    AudioChunk,
    WaveFileSource,
    WaveWriter,
    output_format,
    read_wave,
)
from personaplex_ros.files import check_output
from personaplex_ros.node.health.cards import CardSnapshot
from personaplex_ros.node.hosts.bus import Bus
from personaplex_ros.node.outputs import AudioSink
from personaplex_ros.node.parameters.table import Parameters
from personaplex_ros.node.sound.microphone_topic import Deliver, MicrophoneTopic
from personaplex_ros.node.sound.reading import RawFormat
from personaplex_ros.node.sound.streams import UDP, UdpMicrophone

if TYPE_CHECKING:
    from personaplex_ros.audio.devices import OnPlayed


class AudioSource(Protocol):
    """A microphone; between start and stop it delivers chunks from a thread of its own."""

    @property
    def unreadable(self) -> int:
        """Messages that were not understood."""

    @property
    def last_problem(self) -> str:
        """What was wrong with the last of them."""

    @property
    def remedy(self) -> str:
        """What to do when nothing comes; empty where that is as it should be."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What is peculiar about it and is put right, in words."""

    @property
    def card(self) -> CardSnapshot | None:
        """What is known of the sound card, if it is one."""

    def start(self) -> None:
        """Begin to deliver."""

    def stop(self) -> None:
        """Deliver nothing more."""

    def close(self) -> None:
        """Free what it holds."""


def open_source(bus: Bus, parameters: Parameters, deliver: Deliver) -> AudioSource:
    """Open what `audio_source` names; raises what tells why it cannot be used."""
    kind, _, place = parameters.audio_source.partition(":")
    if kind == "topic":
        return MicrophoneTopic(
            bus,
            parameters.audio_in_type,
            RawFormat(parameters.audio_in_rate, parameters.audio_in_channels),
            parameters.max_gap_fill_s,
            deliver,
            reliable=parameters.audio_in_reliability == "reliable",
        )

    def callback(chunk: AudioChunk) -> None:
        deliver(chunk, bus.now_ns(), time.perf_counter())

    if kind == "file":
        wave = read_wave(place)  # configure is the moment to learn that the file is missing
        notes = (f"{place}: {wave.remark}",) if wave.remark else ()
        return _FileSource(lambda: WaveFileSource(callback, place), notes)
    if kind == UDP:
        return UdpMicrophone(bus, parameters.audio_source, callback)
    from personaplex_ros.node.sound.cards import CardMicrophone

    return CardMicrophone(bus, place, callback)


def check_sink(parameters: Parameters) -> None:
    """See that what `audio_sink` names can be written or opened; raises what tells why not."""
    kind, _, place = parameters.audio_sink.partition(":")
    if kind == "device":
        from personaplex_ros.node.sound.cards import check_loudspeaker

        check_loudspeaker(place)
    if kind == "file":
        output_format(place)
        check_output(place)
        if Path(place).exists() and not Path(place).is_file():
            raise OSError(
                f"audio_sink is {parameters.audio_sink}, which is no regular file: a recording is "
                "written when it is complete; name a file, or hear audio_out"
            )
        _refuse_other_files(parameters.audio_sink, Path(place))


def _refuse_other_files(sink: str, path: Path) -> None:
    """Let a recording without an ending take the place of a recording only.

    Whoever may set parameters must not write over any file that this user has.
    """
    if path.is_file() and not path.suffix:
        with path.open("rb") as file:
            if file.read(4) not in (b"", b"RIFF"):
                raise OSError(
                    f"audio_sink is {sink}, a file that is there and is no recording; name one "
                    "that ends in .wav, .flac or .ogg"
                )


def open_sink(bus: Bus, parameters: Parameters, rate: int, on_played: OnPlayed) -> AudioSink | None:
    """Open what `audio_sink` names; None when speech goes to its topic only.

    A sound card tells `on_played` what it plays and when.
    """
    kind, _, place = parameters.audio_sink.partition(":")
    if kind == "topic":
        return None
    if kind == "file":
        return _Recording(bus, place, rate)
    from personaplex_ros.node.sound.cards import CardLoudspeaker

    return CardLoudspeaker(bus, place, rate, on_played)


class _FileSource:
    """A wave file, read from its beginning at every activation."""

    unreadable = 0
    last_problem = ""
    remedy = ""
    card = None

    def __init__(
        self,
        make: Callable[[], WaveFileSource],
        notes: tuple[str, ...] = (),
    ) -> None:
        self.notes = notes
        self._make = make
        self._source: WaveFileSource | None = None

    def start(self) -> None:
        self._source = self._make()
        self._source.start()

    def stop(self) -> None:
        if self._source is not None:
            self._source.stop()
            self._source = None

    def close(self) -> None:
        self.stop()


class _Recording:
    """A file, given up when it cannot be written: the conversation goes on without it."""

    card = None

    def __init__(self, bus: Bus, path: str, rate: int) -> None:
        self._bus = bus
        self._writer = WaveWriter(path, rate)
        self.problem = ""

    def write(self, samples: npt.NDArray[np.float32]) -> None:
        if not self.problem:
            try:
                self._writer.write(samples)
            except OSError as error:
                self._give_up(error)

    def close(self) -> None:
        if not self.problem:
            try:
                self._writer.close()
            except OSError as error:
                self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        self.problem = f"speech is no longer recorded: {error}"
        self._writer.discard()
        self._bus.log("error", self.problem)
