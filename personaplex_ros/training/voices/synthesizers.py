"""Speech by synthesizers that others made: what each needs, and how it is asked to speak."""

from __future__ import annotations

import functools
import json
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soxr
from numpy.typing import NDArray

from personaplex_ros.audio import read_wave
from personaplex_ros.audio.mono import to_mono
from personaplex_ros.optional import require
from personaplex_ros.training.voices.speech import RATE

Say = Callable[[str, float], NDArray[np.float32]]
"""Says a text so many times as fast as usual: float32 [n] at 24 kHz."""
KOKORO_MODEL = "kokoro.onnx"
STYLE_SHAPE = (510, 1, 256)  # by the number of tokens


@dataclass(frozen=True)
class Kokoro:
    """Voices of Kokoro-82M: `folder` holds its model and a file of styles for each voice.

    The phonemes are those of the package hibari-tts, which are the model's.
    """

    folder: Path
    voice: str

    def __call__(self, text: str, speed: float) -> NDArray[np.float32]:
        """See ``Say``."""
        phonemizer, numbers = _phonemizer()
        phonemes = " ".join(phonemizer.phonemize(text))
        tokens = [numbers[sign] for sign in phonemes if sign in numbers]
        styles = np.fromfile(self.folder / f"{self.voice}.bin", np.float32).reshape(STYLE_SHAPE)
        inputs = {
            "tokens": np.array([[0, *tokens, 0]], np.int64),
            "style": styles[len(tokens)],
            "speed": np.array([speed], np.float32),
        }
        (samples, *_) = _kokoro(self.folder / KOKORO_MODEL).run(None, inputs)
        return np.asarray(samples, np.float32).reshape(-1)


@dataclass(frozen=True)
class Hibari:
    """The voice of the package hibari-tts."""

    def __call__(self, text: str, speed: float) -> NDArray[np.float32]:
        """See ``Say``."""
        samples = np.asarray(_phonemizer()[0](text), np.float32)
        return soxr.resample(samples, RATE * speed, RATE).astype(np.float32)


@dataclass(frozen=True)
class Command:
    """A program that writes a wave file.

    Of its ``arguments`` one is "{text}" or "{text_file}", and one is "{wave}".
    """

    arguments: tuple[str, ...]

    def __call__(self, text: str, speed: float) -> NDArray[np.float32]:
        """See ``Say``; raises RuntimeError with what the program said when it failed."""
        with tempfile.TemporaryDirectory() as folder:
            wave, words = Path(folder) / "speech.wav", Path(folder) / "text"
            words.write_text(text + "\n", encoding="utf-8")
            names = {"text": text, "text_file": str(words), "wave": str(wave)}
            call = [argument.format(**names) for argument in self.arguments]
            done = subprocess.run(call, capture_output=True, text=True)
            if done.returncode or not wave.is_file():
                raise RuntimeError(f"{call[0]} could not say {text!r}: {done.stderr.strip()}")
            read = read_wave(wave)
        samples = soxr.resample(to_mono(read.samples), read.rate * speed, RATE)
        return samples.astype(np.float32)


def flite(voice: str) -> Command:
    """Return a voice of flite."""
    return Command(("flite", "-voice", voice, "-t", "{text}", "-o", "{wave}"))


def festival(voice: str) -> Command:
    """Return a voice of festival, such as "cmu_us_slt_arctic_hts"."""
    return Command(("text2wave", "-eval", f"(voice_{voice})", "-o", "{wave}", "{text_file}"))


def rhvoice(voice: str) -> Command:
    """Return a voice of RHVoice, such as "alan"."""
    return Command(("RHVoice-test", "-p", voice, "-i", "{text_file}", "-o", "{wave}"))


def pico() -> Command:
    """Return the American voice of SVOX pico."""
    return Command(("pico2wave", "-l", "en-US", "-w", "{wave}", "{text}"))


def mbrola(voice: str) -> Command:
    """Return a voice of mbrola by way of espeak-ng, such as "us-mbrola-1"."""
    return Command(("espeak-ng", "-v", voice, "-w", "{wave}", "{text}"))


@functools.cache
def _phonemizer() -> tuple[Any, dict[str, int]]:
    hibari = require("hibari")
    content = json.loads((Path(str(hibari.__file__)).parent / "assets" / "vocab.json").read_text())
    return hibari.Hibari(), content.get("vocab", content)


@functools.cache
def _kokoro(model: Path) -> Any:
    onnxruntime = require("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
