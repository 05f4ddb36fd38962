"""Sound servers of the test's own: PulseAudio with a virtual card that can be taken away.

One server has one card: streams of a card that goes would move to another one.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

RATE = 48_000
_PLUGIN = "libasound_module_pcm_pulse.so"
_TIMEOUT_S = 10.0


def missing() -> str:
    """Return what this machine lacks for these tests; empty if nothing."""
    lacking = [name for name in ("pulseaudio", "pactl", "parec", "pacat") if not shutil.which(name)]
    if not any(Path("/usr/lib").glob(f"*/alsa-lib/{_PLUGIN}")):
        lacking.append("libasound2-plugins")
    try:
        import sounddevice  # noqa: F401
    except (ImportError, OSError):
        lacking.append("libportaudio2")
    if not lacking:
        return ""
    return (
        f"needs {', '.join(lacking)}: sudo apt install pulseaudio pulseaudio-utils "
        "libportaudio2 libasound2-plugins"
    )


needs_pulse = pytest.mark.skipif(bool(missing()), reason=missing())


class Card:
    """A virtual card: what is played on it is heard by its monitor."""

    def __init__(self, folder: Path, name: str) -> None:
        folder.mkdir(parents=True)
        self.name = name
        self.socket = folder / "native"
        self._environment = {
            **os.environ,
            "HOME": str(folder),
            "XDG_RUNTIME_DIR": str(folder),
            "PULSE_RUNTIME_PATH": str(folder),
            "PULSE_SERVER": f"unix:{self.socket}",
        }
        self._server = subprocess.Popen(
            ["pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no",
             "--disallow-exit", f"--log-target=file:{folder / 'log'}",
             "-L", f"module-native-protocol-unix socket={self.socket} auth-anonymous=1"],
            env=self._environment, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        deadline = time.monotonic() + _TIMEOUT_S
        while subprocess.run(["pactl", "info"], env=self._environment, capture_output=True).stderr:
            assert time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.05)
        self._readers: list[subprocess.Popen[bytes]] = []
        self.plug()

    def plug(self) -> None:
        """Let the card appear."""
        name = f"sink_name={self.name}"
        self._pactl("load-module", "module-null-sink", name, f"rate={RATE}", "channels=1")
        # A null sink that nobody reads in small pieces works in blocks of two seconds.
        self._readers.append(self._parec(subprocess.DEVNULL))

    def unplug(self) -> None:
        """Take the card away, with all its streams."""
        self._pactl("unload-module", "module-null-sink")

    def play(self, samples: np.ndarray) -> None:
        """Play float32 [n] at 48 kHz on it; returns when it has been played."""
        subprocess.run(
            ["pacat", "--playback", "--raw", "--format=float32le", f"--rate={RATE}",
             "--channels=1", "--latency-msec=20", f"--device={self.name}"],
            input=samples.astype(np.float32).tobytes(), env=self._environment, check=True,
            timeout=60,
        )  # fmt: skip

    @contextmanager
    def recording(self, path: Path) -> Iterator[None]:
        """Write what is played on it, float32 at 48 kHz, to a file for the length of the block."""
        with path.open("wb") as file:
            reader = self._parec(file)
            try:
                yield
            finally:
                reader.terminate()
                reader.wait()

    def close(self) -> None:
        """End the server."""
        for process in (*self._readers, self._server):
            process.kill()
            process.wait()

    def _parec(self, output: object) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            ["parec", "--raw", "--format=float32le", f"--rate={RATE}", "--channels=1",
             "--latency-msec=10", f"--device={self.name}.monitor"],
            stdout=output, env=self._environment, stderr=subprocess.DEVNULL,
        )  # type: ignore[call-overload]  # fmt: skip

    def _pactl(self, *words: str) -> None:
        subprocess.run(
            ["pactl", *words], env=self._environment, check=True, capture_output=True, timeout=10
        )


def alsa_devices(path: Path, **devices: tuple[Card, str]) -> None:
    """Write a configuration of ALSA that has these devices: a card, and its sink or source."""
    text = "</usr/share/alsa/alsa.conf>\n"
    for name, (card, device) in devices.items():
        text += (
            f'pcm.{name} {{\n type pulse\n server "unix:{card.socket}"\n device "{device}"\n'
            f' hint {{\n show on\n description "{name}"\n }}\n}}\n'
        )
    path.write_text(text)
