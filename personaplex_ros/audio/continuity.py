"""Where a chunk lies in its stream: next in line, after a gap, repeated, or on a new stream."""

from __future__ import annotations

from dataclasses import dataclass

from .chunk import AudioChunk
from .numbering import samples_between

# Without sample numbers only stamps tell of a loss, and stamps made on arrival jitter.
STAMP_GAP_NS = 200_000_000
# An overlap shorter than this is an overlap; longer ones may be a publisher that began anew.
SURE_OVERLAP_NS = 20_000_000


@dataclass(frozen=True)
class StreamEnd:
    """The end of what was accepted so far.

    next_sample: index expected next, or None where the publisher does not number its samples.
    next_stamp_ns: capture time expected of it.
    """

    rate: int
    channels: int
    next_sample: int | None
    next_stamp_ns: int

    @staticmethod
    def after(chunk: AudioChunk, stamp_ns: int) -> StreamEnd:
        """Return the end of the stream once `chunk`, captured at `stamp_ns`, is accepted."""
        return StreamEnd(
            chunk.rate,
            chunk.channels,
            None if chunk.first_sample is None else chunk.first_sample + chunk.frames,
            stamp_ns + chunk.duration_ns,
        )


@dataclass(frozen=True)
class Placement:
    """How a chunk joins the stream; exactly one of the fields says something other than none.

    missing: samples per channel that are lacking before it.
    repeated: samples per channel at its begin that were received before.
    restart: why it begins a new stream, or "".
    """

    missing: int = 0
    repeated: int = 0
    restart: str = ""


def place(chunk: AudioChunk, stamp_ns: int, end: StreamEnd, max_gap_s: float) -> Placement:
    """Compare `chunk`, captured at `stamp_ns`, with the end of its stream.

    A gap longer than `max_gap_s`, a changed format, sample numbers that begin again, and (where
    samples are not numbered) a stamp more than 0.2 s late begin a new stream.
    """
    if chunk.format != (end.rate, end.channels):
        return Placement(
            restart=f"format changed: {end.rate} Hz x {end.channels} to {chunk.rate} Hz x "
            f"{chunk.channels}"
        )
    late_ns = stamp_ns - end.next_stamp_ns
    if chunk.first_sample is None or end.next_sample is None:
        if late_ns > STAMP_GAP_NS:
            return Placement(restart=f"gap: the stamp is {late_ns / 1e9:.3f} s late")
        return Placement()
    ahead = samples_between(end.next_sample, chunk.first_sample)
    if ahead > max_gap_s * chunk.rate:
        return Placement(restart=f"gap: {ahead / chunk.rate:.3f} s are missing")
    if ahead >= 0:
        return Placement(missing=ahead)
    overlap_ns = -ahead * 1_000_000_000 // chunk.rate
    # Repeated samples carry the time of their first capture; a new stream carries the present.
    if overlap_ns > SURE_OVERLAP_NS and late_ns > -overlap_ns // 2:
        return Placement(
            restart=f"restart: sample numbers fell from {end.next_sample} to {chunk.first_sample}"
        )
    return Placement(repeated=min(-ahead, chunk.frames))
