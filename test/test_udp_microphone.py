"""A microphone that sends UDP: to a group on the loopback interface, and to one address."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from node_support import MemoryBus
from udp_support import Sender, free_group

from personaplex_ros.audio import AudioChunk
from personaplex_ros.audio.udp import UdpSource, parse_udp
from personaplex_ros.audio.udp.pace import WINDOW, Pace
from personaplex_ros.node.devices.kinds import KINDS
from personaplex_ros.node.hosts.messages import time_ns

RATE = 16_000
BLOCK = 320
ERROR, WARN, OK = 2, 1, 0


class Heard:
    """What a source delivers."""

    def __init__(self, url: str) -> None:
        self.chunks: list[AudioChunk] = []
        self.told: list[str] = []
        self._more = threading.Condition()
        self.source = UdpSource(parse_udp(url), self._take, self.told.append)
        self.source.start()

    def _take(self, chunk: AudioChunk) -> None:
        with self._more:
            self.chunks.append(chunk)
            self._more.notify()

    def wait_for(self, count: int) -> list[AudioChunk]:
        """Return the chunks as soon as there are so many."""
        with self._more:
            assert self._more.wait_for(lambda: len(self.chunks) >= count, 5.0), self.counters()
            return list(self.chunks)

    def counters(self) -> dict[str, int]:
        """Return the source's counters."""
        return asdict(self.source.snapshot())


@pytest.fixture
def group() -> Iterator[tuple[str, Sender]]:
    """Return the URL of a group on loopback, and who sends to it."""
    host, port = free_group()
    sender = Sender(host, port)
    yield f"udp://{host}:{port}?rate={RATE}&interface=lo", sender
    sender.close()


def packet(value: int, frames: int = BLOCK) -> bytes:
    return np.full(frames, value, "<i2").tobytes()


def test_packets_to_a_group_are_heard_in_order_with_their_times(group: tuple[str, Sender]) -> None:
    url, sender = group
    heard = Heard(url)
    for value in (100, 200, 300):
        sender.send(packet(value))
    chunks = heard.wait_for(3)
    heard.source.stop()
    assert [int(c.samples[0]) for c in chunks] == [100, 200, 300]
    assert [c.first_sample for c in chunks] == [0, BLOCK, 2 * BLOCK]
    assert {(c.rate, c.channels, c.source) for c in chunks} == {(RATE, 1, "udp:127.0.0.1")}
    assert not heard.told
    sender.send(packet(400))
    assert len(heard.chunks) == 3


@pytest.mark.parametrize(
    ("query", "sent"),
    [
        ("format=s16be", np.array([256, -512], ">i2").tobytes()),
        ("format=s32le", np.array([256 << 16, -512 << 16], "<i4").tobytes()),
        ("format=f32le", np.array([256 / 32768, -512 / 32768], "<f4").tobytes()),
        ("header=12&format=s16be", b"\x80" * 12 + np.array([256, -512], ">i2").tobytes()),
        ("channels=2", np.array([256, -512], "<i2").tobytes()),
    ],
)
def test_one_address_hears_every_format(query: str, sent: bytes) -> None:
    port = free_group()[1]
    heard = Heard(f"udp://127.0.0.1:{port}?rate={RATE}&{query}")
    sender = Sender("127.0.0.1", port)
    sender.send(b"odd")  # no whole samples
    sender.send(sent)
    (chunk,) = heard.wait_for(1)
    heard.source.stop()
    sender.close()
    assert chunk.samples.tolist() == [256, -512]
    assert chunk.channels == (2 if "channels" in query else 1)
    assert heard.counters()["refused_packets"] == 1


def test_the_packets_of_another_sender_are_left_out(group: tuple[str, Sender]) -> None:
    url, sender = group
    heard = Heard(url)
    address = parse_udp(url)
    other = Sender(address.host, address.port, source="127.0.0.2")
    sender.send(packet(100))
    heard.wait_for(1)
    other.send(packet(666))
    sender.send(packet(200))
    assert [int(c.samples[0]) for c in heard.wait_for(2)] == [100, 200]
    heard.source.stop()
    assert heard.counters()["other_senders"] == 1
    chosen = Heard(f"{url}&sender=127.0.0.2")
    sender.send(packet(100))
    other.send(packet(666))
    assert [int(c.samples[0]) for c in chosen.wait_for(1)] == [666]
    chosen.source.stop()
    other.close()


@given(packet=st.binary(max_size=200), query=st.sampled_from(["", "&channels=3", "&header=12"]))
@pytest.mark.parametrize("kind", ["s16le", "s16be", "s32le", "f32le"])
def test_any_bytes_are_samples_or_none(kind: str, packet: bytes, query: str) -> None:
    address = parse_udp(f"udp://127.0.0.1:5555?rate=16000&format={kind}{query}")
    samples = address.samples(packet)
    width = (2 if "16" in kind else 4) * address.channels
    whole = len(packet) > address.header and (len(packet) - address.header) % width == 0
    assert (samples is not None) == whole
    assert samples is None or samples.dtype == np.int16


def test_packets_that_never_come_are_told_from_those_that_are_late() -> None:
    pace, length = Pace(RATE), BLOCK / RATE
    at = 100.0
    for number in range(200):
        at = 100.0 + number * length
        if number in (50, 51, 120):
            continue  # lost
        delay = 0.15 if number in (80, 81) else 0.0
        assert pace.take(BLOCK, at + delay) == 0.0
    assert (pace.lost, pace.late) == (3, 2)
    paused = pace.take(BLOCK, at + 4.0)
    assert paused == pytest.approx(4.0 - length, abs=0.01)
    for number in range(2 * WINDOW):
        assert pace.take(BLOCK, at + 4.0 + (number + 1) * length * 1.0005) == 0.0
    assert pace.lost == 3


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("udp://239.168.1.2:5555", "rate is missing"),
        ("udp://239.168.1.2?rate=16000", "the port is missing"),
        ("udp://robot:5555?rate=16000", "robot is no IPv4 address"),
        ("udp://239.168.1.2:5555?rate=16", "rate is '16'"),
        ("udp://239.168.1.2:5555?rate=16000&format=mp3", "format is 'mp3'"),
        ("udp://239.168.1.2:5555?rate=16000&chanels=2", "unknown chanels"),
        ("udp://239.168.1.2:99999?rate=16000", "Port out of range"),
        ("udp://239.168.1.2:5555/x?rate=16000", "that is no udp://ADDRESS:PORT"),
    ],
)
def test_a_wrong_url_is_refused_in_words(url: str, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)) as error:
        KINDS["microphone"].make(MemoryBus(), KINDS["microphone"].values(source=url))
    assert url in str(error.value) and "udp://ADDRESS:PORT?rate=HZ" in str(error.value)


def test_an_address_that_cannot_be_heard_says_why_and_what_to_do() -> None:
    port = free_group()[1]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", port))
        with pytest.raises(OSError, match=r"in use.*no other program there"):
            UdpSource(parse_udp(f"udp://127.0.0.1:{port}?rate=16000"), print)
    with pytest.raises(OSError, match="interface=eth0"):
        UdpSource(parse_udp(f"udp://239.1.2.3:{port}?rate=16000&interface=nowhere9"), print)


def test_the_node_microphone_publishes_packets_and_tells_that_they_stop(
    group: tuple[str, Sender], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("personaplex_ros.audio.udp.source.DEAD_S", 0.3)
    url, sender = group
    bus = MemoryBus()
    kind = KINDS["microphone"]
    node = kind.make(bus, kind.values(source=url))

    def level() -> int:
        bus.timers[1.0]()
        told = {s.name: s for s in bus.topics["/diagnostics"][-1].status}
        (name,) = [name for name in told if name.endswith("microphone stream")]
        return int(told[name].level)

    sender.send(packet(3_000))
    bus.wait_for(lambda: bus.topics["audio_in"])
    (message,) = bus.topics["audio_in"]
    assert list(message.data) == [3_000] * BLOCK and message.sample_rate == RATE
    assert 0 <= bus.now_ns() - time_ns(message.header.stamp) < 5e9
    assert level() == OK
    bus.wait_for_log("no packet comes to")
    assert level() == ERROR

    def heard_again() -> bool:
        sender.send(packet(4_000))  # one that comes while the socket is opened again is lost
        return len(bus.topics["audio_in"]) > 1

    bus.wait_for(heard_again)
    assert bus.topics["audio_in"][-1].data[0] == 4_000
    bus.wait_for_log("the microphone stream is back")
    assert level() == WARN and level() == OK
    node.close()


def test_packets_without_whole_samples_are_an_error_that_says_so(
    group: tuple[str, Sender], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("personaplex_ros.audio.udp.source.DEAD_S", 0.3)
    url, sender = group
    heard = Heard(url)
    deadline_s = time.monotonic() + 5.0
    while not heard.told and time.monotonic() < deadline_s:
        sender.send(b"odd")
        time.sleep(0.02)
    heard.source.stop()
    assert heard.told and "holds whole samples of s16le, channels=1" in heard.told[0]
