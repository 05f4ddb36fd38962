"""Speech of espeak-ng with the times of its words and phones.

The library comes with the package ``espeakng-loader`` and is called through ctypes, as its
``speak_lib.h`` documents, in synchronous mode. It keeps one voice for the whole process, so work
is spread over processes, not threads. Its pitch flutters from call to call, so the same sentence
never sounds twice the same; the same calls in a new process do.
"""

from __future__ import annotations

import ctypes
import functools
import re
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import soxr
from numpy.typing import NDArray

from personaplex_ros.optional import require

RATE = 24_000  # Hz, of what is returned
SYNCHRONOUS = 2  # espeak_AUDIO_OUTPUT
PHONEME_EVENTS = 1
UTF8 = 1
PITCH, RANGE, SPEED = 3, 4, 1  # espeak_PARAMETER
EVENT_END, EVENT_WORD, EVENT_PHONEME = 0, 1, 7  # espeak_EVENT_TYPE


@dataclass(frozen=True)
class Interval:
    """A word or phone and when it is spoken, in seconds."""

    text: str
    start_s: float
    end_s: float

    def later(self, seconds: float) -> Interval:
        """Return the same, so much later."""
        return Interval(self.text, self.start_s + seconds, self.end_s + seconds)


@dataclass(frozen=True)
class Speech:
    """Samples float32 [n] at 24 kHz, without silence at either end, and what is said when."""

    samples: NDArray[np.float32]
    words: tuple[Interval, ...]
    phones: tuple[Interval, ...]

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / RATE


class Speaker(Protocol):
    """Who can say something."""

    def knows(self, text: str) -> bool:
        """Whether it can say a text."""
        ...

    def say(self, text: str) -> Speech:
        """Say a text that it knows."""
        ...


@dataclass(frozen=True)
class Voice:
    """A speaker: an espeak-ng voice with variant, such as ``en-us+f2``, and how it speaks."""

    name: str
    words_per_minute: int = 165
    pitch: int = 50  # 0 to 100
    pitch_range: int = 50  # 0 to 100

    def knows(self, text: str) -> bool:
        """See ``Speaker``: anything."""
        return True

    def say(self, text: str) -> Speech:
        """See ``Speaker``."""
        return speak(text, self)


class _EventId(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    """espeak_EVENT."""

    _fields_ = (
        ("type", ctypes.c_int), ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int), ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int), ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p), ("id", _EventId),
    )  # fmt: skip


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


class _Synthesiser:
    """The library, initialised once a process."""

    def __init__(self) -> None:
        espeakng_loader = require("espeakng_loader")
        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        data = espeakng_loader.get_data_path().encode()
        self.rate = self._library.espeak_Initialize(SYNCHRONOUS, 0, data, PHONEME_EVENTS)
        if self.rate <= 0:
            raise RuntimeError(f"espeak-ng found no data in {data.decode()}")
        self._library.espeak_ng_SetRandSeed(ctypes.c_long(1))  # by itself it takes the time
        self._callback = _Callback(self._collect)
        self._library.espeak_SetSynthCallback(self._callback)
        self._parts: list[NDArray[np.int16]] = []
        self._marks: list[tuple[int, int, int, str]] = []

    def speak(self, text: str, voice: Voice) -> tuple[NDArray[np.int16], list]:
        """Return samples, and marks (type, sample, text position, phone)."""
        library = self._library
        if library.espeak_SetVoiceByName(voice.name.encode()) != 0:
            raise ValueError(f"espeak-ng has no voice {voice.name!r}")
        library.espeak_SetParameter(SPEED, voice.words_per_minute, 0)
        library.espeak_SetParameter(PITCH, voice.pitch, 0)
        library.espeak_SetParameter(RANGE, voice.pitch_range, 0)
        self._parts, self._marks = [], []
        encoded = text.encode()
        status = library.espeak_Synth(encoded, len(encoded) + 1, 0, 1, 0, UTF8, None, None)
        if status != 0 or not self._parts:
            raise RuntimeError(f"espeak-ng could not say {text!r} with voice {voice.name!r}")
        return np.concatenate(self._parts), self._marks

    def _collect(self, samples, count, events) -> int:  # type: ignore[no-untyped-def]
        if samples and count > 0:
            self._parts.append(np.ctypeslib.as_array(samples, (count,)).copy())
        index = 0
        while events[index].type != EVENT_END:
            event = events[index]
            if event.type in (EVENT_WORD, EVENT_PHONEME):
                phone = event.id.string.decode() if event.type == EVENT_PHONEME else ""
                self._marks.append((event.type, event.sample, event.text_position - 1, phone))
            index += 1
        return 0


@functools.cache
def _synthesiser() -> _Synthesiser:
    return _Synthesiser()


def speak(text: str, voice: Voice) -> Speech:
    """Say a text.

    Every word of ``text.split()`` gets an interval; where the library reports several words as
    one ("in the"), its time is shared out by letters. Raises ValueError for an unknown voice.
    """
    synthesiser = _synthesiser()
    raw, marks = synthesiser.speak(text, voice)
    loud = np.flatnonzero(np.abs(raw) > 100)  # 0.3 % of full scale
    if not len(loud):
        raise RuntimeError(f"espeak-ng says {text!r} as silence")
    first, last = loud[0], loud[-1] + 1
    samples = soxr.resample(raw[first:last].astype(np.float32) / 32768, synthesiser.rate, RATE)
    end_s = (last - first) / synthesiser.rate

    def seconds(sample: int) -> float:
        return min(max((sample - first) / synthesiser.rate, 0.0), end_s)

    starts = [(seconds(sample), phone) for kind, sample, _, phone in marks if kind == EVENT_PHONEME]
    ends = [start for start, _ in starts[1:]] + [end_s]
    phones = tuple(
        Interval(phone, start, end)
        for (start, phone), end in zip(starts, ends, strict=True)
        if end > start
    )
    anchors = {place: seconds(sample) for kind, sample, place, _ in marks if kind == EVENT_WORD}
    return Speech(samples.astype(np.float32), _words(text, anchors, end_s), phones)


def _words(text: str, anchors: dict[int, float], end_s: float) -> tuple[Interval, ...]:
    """Give each word its time: its own, or its share between the anchors around it."""
    spans = [match.span() for match in re.finditer(r"\S+", text)]
    places = [0.0, float(len(text))]
    times = [0.0, end_s]
    for place, time in sorted(anchors.items()):
        if 0 < place < len(text):
            places.insert(-1, float(place))
            times.insert(-1, max(time, times[-2]))
    starts = np.interp([begin for begin, _ in spans], places, times)
    ends = [*starts[1:], end_s]
    return tuple(
        Interval(text[slice(*span)], float(start), float(end))
        for span, start, end in zip(spans, starts, ends, strict=True)
    )
