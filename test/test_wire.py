"""Ogg-Opus against another implementation, in both directions, whole and damaged."""

from __future__ import annotations

import time

import numpy as np
import pytest
import sphn
from hypothesis import given, settings
from hypothesis import strategies as st

from personaplex_ros.wire.ogg import PacketReader, PageWriter
from personaplex_ros.wire.opus import NotOpus, OpusEncoder, OpusReader, OpusWriter

RATE, FRAME, FRAMES = 24_000, 1_920, 25
RNG = np.random.default_rng(3)


def chirp() -> np.ndarray:
    t = np.arange(FRAME * FRAMES) / RATE
    return (0.3 * np.sin(2 * np.pi * (200 * t + 300 * t * t))).astype(np.float32)


def pages(write) -> list[bytes]:
    sound = chirp()
    return [bytes(write(sound[n * FRAME : (n + 1) * FRAME])) for n in range(FRAMES)]


def heard(read, parts: list[bytes]) -> np.ndarray:
    return np.concatenate([read(part) for part in parts])


def delay_and_likeness(sound: np.ndarray) -> tuple[int, float]:
    """Return by how many samples a chirp came later, and how like it is (1: the same)."""
    original = chirp()
    size = 1 << 17
    products = np.fft.irfft(np.fft.rfft(sound, size) * np.conj(np.fft.rfft(original, size)), size)
    scale = np.sqrt((original**2).sum() * (sound**2).sum())
    return int(products.argmax()), float(products.max() / scale)


def test_what_we_write_others_read_and_what_they_write_we_read() -> None:
    ours, theirs = OpusWriter(RATE).write, sphn.OpusStreamWriter(RATE).append_pcm
    for write, read in (
        (ours, sphn.OpusStreamReader(RATE).append_bytes),
        (theirs, OpusReader(RATE).read),
        (OpusWriter(RATE).write, OpusReader(RATE).read),
    ):
        sound = heard(read, pages(write))
        delay, likeness = delay_and_likeness(sound)
        assert 0 <= delay < 0.01 * RATE and likeness > 0.95
        assert len(chirp()) - 0.005 * RATE < len(sound) <= len(chirp())


def test_every_frame_can_be_heard_at_once() -> None:
    theirs = sphn.OpusStreamWriter(RATE).append_pcm
    for write in (OpusWriter(RATE).write, theirs):
        reader = OpusReader(RATE)
        assert {len(reader.read(part)) for part in pages(write)} == {FRAME}


def test_silence_takes_no_longer_than_sound_and_hardly_a_bit() -> None:
    seconds, sizes = [], []
    for sound in (np.zeros(FRAME, np.float32), chirp()[:FRAME]):
        encoder = OpusEncoder(RATE)
        times = []
        for _ in range(40):
            begun = time.thread_time()
            packets = encoder.encode(sound)
            times.append(time.thread_time() - begun)
        seconds.append(np.median(times))
        sizes.append(len(packets[0]))
    assert seconds[0] < 2 * seconds[1] and sizes[0] < 20 < sizes[1]


def test_bytes_may_be_parted_anywhere() -> None:
    stream = b"".join(pages(OpusWriter(RATE).write))
    reader = OpusReader(RATE)
    parted = heard(reader.read, [stream[n : n + 7] for n in range(0, len(stream), 7)])
    assert np.array_equal(parted, OpusReader(RATE).read(stream)) and not reader.damaged


def test_a_damaged_page_costs_itself_alone() -> None:
    parts = pages(OpusWriter(RATE).write)
    parts[10] = parts[10][:60] + bytes([parts[10][60] ^ 255]) + parts[10][61:]
    reader = OpusReader(RATE)
    sound = heard(reader.read, parts)
    assert reader.damaged and len(sound) >= (FRAMES - 1) * FRAME - 0.005 * RATE


def test_a_packet_longer_than_a_page_s_segment_comes_whole() -> None:
    packets = [bytes([n % 256]) * n for n in (1, 254, 255, 256, 510, 4_000)]
    writer = PageWriter(serial=5)
    stream = writer.page([b"head"], 0) + writer.page(packets, 1)
    found = list(PacketReader().push(stream))
    assert [packet.content for packet in found] == [b"head", *packets]
    assert [packet.first for packet in found] == [True] + [False] * len(packets)


@pytest.mark.parametrize("head", [b"\x01vorbis" + bytes(20), b"OpusHead\x01"])
def test_another_codec_is_told(head: bytes) -> None:
    with pytest.raises(NotOpus, match="no Opus"):
        OpusReader(RATE).read(PageWriter(serial=1).page([head], 0))


@settings(deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_whatever_comes_nothing_breaks(seed: int) -> None:
    rng = np.random.default_rng(seed)
    stream = bytearray(b"".join(pages(OpusWriter(RATE).write)[:6]))
    for _ in range(rng.integers(1, 12)):
        place = rng.integers(len(stream))
        stream[place] = rng.integers(256)
        if rng.random() < 0.3:
            del stream[place : place + rng.integers(1, 100)]
    reader = OpusReader(RATE)
    try:
        sound = reader.read(bytes(stream))
    except NotOpus:
        return
    assert sound.dtype == np.float32 and np.isfinite(sound).all()
