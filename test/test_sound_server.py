"""Microphone and speaker on a real sound server with virtual cards, over DDS."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dds_support import loopback, wait_until
from pulse_support import RATE, Card, alsa_devices, needs_pulse

from personaplex_ros.node.dds.bus import DdsBus
from personaplex_ros.node.hosts.bus import RELIABLE
from personaplex_ros.node.hosts.messages import NS_PER_S
from personaplex_ros.node.sound.types import AUDIO_FRAME
from personaplex_ros.node.sound.writing import AudioWriter

pytestmark = [needs_pulse, pytest.mark.alone]

SPEECH_RATE = 24_000
HERTZ = 440.0
AMPLITUDE = 0.25
ERROR = 2


class Graph:
    """A card that hears itself, and both nodes of it as processes on a graph."""

    def __init__(self, card: Card) -> None:
        self.card = card
        self.bus = DdsBus("listener")
        self.levels: dict[str, int] = {}
        self.heard: list[Any] = []
        self._ending = threading.Event()
        self._children: list[subprocess.Popen[bytes]] = []
        self._publisher = self.bus.advertise("audio_out", AUDIO_FRAME, RELIABLE)
        self.bus.subscribe("audio_in", AUDIO_FRAME, RELIABLE, lambda m, _: self.heard.append(m))
        self.bus.subscribe(
            "/diagnostics", "diagnostic_msgs/msg/DiagnosticArray", RELIABLE, self._take
        )

    def start(self, *nodes: str) -> None:
        """Start nodes and wait until they work."""
        for node in nodes:
            command = [sys.executable, "-m", "personaplex_ros", node, "--end-with-stdin"]
            name = {"microphone": "ear", "speaker": "mouth"}[node]
            words = ["--ros-args", "-p", f"card:={name}", "-p", "diagnostics_period_s:=0.2"]
            self._children.append(subprocess.Popen([*command, *words], stdin=subprocess.PIPE))
        wait_until(self._all_work, 30.0)
        wait_until(lambda: self._publisher.subscribers() or "speaker" not in nodes)

    def speak(self, seconds: float) -> None:
        """Publish a sine as the robot's speech, a frame every 80 ms."""
        writer = AudioWriter(self.bus, AUDIO_FRAME, SPEECH_RATE, "mouth")
        start_ns = self.bus.now_ns()
        frame = SPEECH_RATE * 80 // 1000
        for first in range(0, round(seconds * SPEECH_RATE), frame):
            if self._ending.is_set():
                return
            times = np.arange(first, first + frame) / SPEECH_RATE
            sine = (AMPLITUDE * np.sin(2 * np.pi * HERTZ * times)).astype(np.float32)
            stamp_ns = start_ns + first * NS_PER_S // SPEECH_RATE
            time.sleep(max(0.0, (stamp_ns - self.bus.now_ns()) / NS_PER_S))
            self._publisher.publish(writer.message(sine, first, stamp_ns))

    def close(self) -> None:
        """End the processes."""
        self._ending.set()
        for child in self._children:
            child.terminate()
        statuses = [child.wait(10) for child in self._children]
        self.bus.close()
        assert not any(statuses)

    def _all_work(self) -> bool:
        assert all(child.poll() is None for child in self._children), "a node has ended"
        return len(self.levels) >= len(self._children)

    def _take(self, message: Any, _: str) -> None:
        for status in message.status:
            if "card" in status.name:
                self.levels[status.name] = int(status.level)


@pytest.fixture
def graph(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Graph]:
    """Return a graph on this machine alone with a card of its own."""
    loopback(monkeypatch)
    card = Card(tmp_path / "pulse", "room")
    alsa_devices(
        tmp_path / "alsa.conf", virtual_mouth=(card, "room"), virtual_ear=(card, "room.monitor")
    )
    monkeypatch.setenv("ALSA_CONFIG_PATH", str(tmp_path / "alsa.conf"))
    graph = Graph(card)
    try:
        yield graph
        graph.close()
    finally:
        card.close()


def samples_of(messages: list[Any]) -> np.ndarray:
    return np.concatenate([np.asarray(m.data, np.float64) for m in messages]) / 32_768


def test_a_sine_that_is_played_is_heard_as_a_sine(graph: Graph) -> None:
    graph.start("microphone", "speaker")
    # A busy machine may stop a second, or three; a fault of ours would be in every one.
    for _ in range(3):
        graph.heard.clear()
        graph.speak(3.0)
        messages = list(graph.heard)
        indices = [m.first_sample for m in messages]
        lengths = [len(m.data) for m in messages]
        assert np.array_equal(np.diff(indices), lengths[:-1])  # no gaps
        assert {m.sample_rate for m in messages} == {RATE}
        heard = samples_of(messages)
        windows = [heard[end - RATE : end] for end in range(RATE, len(heard), RATE // 4)]
        frequency, level, snr_db = max(map(sine_in, windows), key=lambda found: found[2])
        if snr_db > 40.0:
            break
    assert abs(frequency - HERTZ) < 0.5
    assert abs(level - AMPLITUDE) < 0.01
    assert snr_db > 40.0
    assert set(graph.levels) == {"microphone: microphone card", "speaker: loudspeaker card"}
    assert ERROR not in graph.levels.values()


def sine_in(samples: np.ndarray) -> tuple[float, float, float]:
    """Return frequency, amplitude and the distance to everything else, dB, of the loudest sine."""
    window = np.hanning(len(samples))
    spectrum = np.abs(np.fft.rfft(samples * window)) ** 2
    peak = int(np.argmax(spectrum))
    near = slice(max(0, peak - 4), peak + 5)
    power = float(spectrum[near].sum())
    noise = float(spectrum.sum()) - power
    amplitude = np.sqrt(2 * np.mean(samples**2))
    return peak * RATE / len(samples), float(amplitude), 10 * np.log10(power / max(noise, 1e-20))


@pytest.mark.long
def test_a_card_that_is_unplugged_is_an_error_and_is_heard_again_when_it_is_back(
    graph: Graph,
) -> None:
    graph.start("microphone", "speaker")
    threading.Thread(target=graph.speak, args=(60.0,), daemon=True).start()
    wait_until(lambda: sounds(graph.heard))
    graph.card.unplug()
    wait_until(lambda: set(graph.levels.values()) == {ERROR})
    silent = len(graph.heard)
    time.sleep(5.0)  # two attempts in vain
    assert set(graph.levels.values()) == {ERROR} and len(graph.heard) == silent
    graph.card.plug()
    wait_until(lambda: ERROR not in graph.levels.values(), 15.0)
    wait_until(lambda: sounds(graph.heard), 15.0)
    graph.heard.clear()
    time.sleep(3.0)
    frequency, level, snr_db = sine_in(samples_of(list(graph.heard))[-RATE:])
    assert abs(frequency - HERTZ) < 1.0 and abs(level - AMPLITUDE) < 0.01 and snr_db > 40.0


def sounds(messages: list[Any]) -> bool:
    """Tell whether the last message has sound in it."""
    return bool(messages) and float(np.abs(np.asarray(messages[-1].data)).max()) > 1_000


def command(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "personaplex_ros", "devices", *words],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip


@pytest.mark.long
def test_the_command_lists_the_cards_shows_the_level_and_plays_a_tone(
    graph: Graph, tmp_path: Path
) -> None:
    listed = command()
    assert listed.returncode == 0, listed.stderr
    rows = [line.split() for line in listed.stdout.splitlines()]
    assert rows[0] == ["card", "interface", "inputs", "outputs", "rate", "default"]
    assert ["0", "virtual_mouth", "ALSA"] == rows[1][:3]
    with graph.card.recording(tmp_path / "tone.raw"):
        assert command("--tone", "mouth").returncode == 0
    played = np.fromfile(tmp_path / "tone.raw", np.float32).astype(np.float64)
    sounding = played[np.abs(played) > 0.05]
    assert 0.6 * RATE < len(sounding) < 1.1 * RATE
    assert abs(sine_in(played)[0] - 440.0) < 2.0
    sine = 0.25 * np.sin(2 * np.pi * 300.0 * np.arange(8 * RATE) / RATE)
    player = threading.Thread(target=graph.card.play, args=(sine,))
    player.start()
    meter = command("--test", "ear", "--seconds", "5")
    player.join()
    assert meter.returncode == 0, meter.stderr
    assert "virtual_ear, 48000 Hz" in meter.stdout
    assert "-15.1 dBFS, peak  -12.0  good" in meter.stdout


@pytest.mark.long
def test_a_card_that_is_not_there_ends_a_node_with_what_there_is(graph: Graph) -> None:
    node = subprocess.run(
        [sys.executable, "-m", "personaplex_ros", "speaker", "--ros-args", "-p", "card:=kitchen"],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert node.returncode == 2
    assert "no loudspeaker 'kitchen'; there are: 0: virtual_mouth, ALSA" in node.stderr
