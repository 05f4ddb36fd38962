"""The gain that changes without a click."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from personaplex_ros.audio.fader import Fader

RATE = 24_000
FRAME = 1920


def tone(seconds: float = 0.8) -> NDArray[np.float32]:
    """Return a loud sine of 220 Hz."""
    return np.sin(2 * np.pi * 220 * np.arange(round(seconds * RATE)) / RATE).astype(np.float32)


def faded(fader: Fader, samples: NDArray[np.float32], frame: int = FRAME) -> NDArray[np.float32]:
    """Return what the fader makes of a stream in frames."""
    samples = samples.copy()
    for begin in range(0, samples.size, frame):
        fader.apply(samples[begin : begin + frame])
    return samples


def click_db(samples: NDArray[np.float32]) -> float:
    """Return the greatest level of 10 ms above 4 kHz, of which the tone itself has nothing."""
    spectra = np.abs(np.fft.rfft(samples.reshape(-1, 240) * np.hanning(240)))
    return float(20 * np.log10(spectra[:, 40:].max() / spectra.max()))


def test_gain_one_leaves_frames_alone() -> None:
    samples = tone()
    assert np.array_equal(faded(Fader(RATE), samples), samples)


@pytest.mark.parametrize("frame", [1, 240, FRAME, 5000])
def test_fades_within_its_time_and_stays(frame: int) -> None:
    fader = Fader(RATE)
    fader.fade(0.0, 0.08)
    out = faded(fader, np.ones(6000, np.float32), frame)
    assert out[0] > 0.999
    assert np.all(np.diff(out[:1920]) <= 0)
    assert out[1918] > 0.0
    assert not out[1919:].any()


def test_neither_fade_clicks_and_a_hard_one_would() -> None:
    samples = tone()
    fader = Fader(RATE)
    fader.fade(0.0, 0.08)
    down = faded(fader, samples)
    fader.fade(1.0, 0.02)
    up = faded(fader, samples)
    hard = np.where(np.arange(samples.size) < 1800, samples, 0).astype(np.float32)
    assert click_db(down) < click_db(samples) + 1
    assert click_db(up) < click_db(samples) + 6
    assert click_db(hard) > click_db(samples) + 20
    assert np.array_equal(up[FRAME:], samples[FRAME:])


def test_a_change_of_mind_begins_where_the_gain_is() -> None:
    fader = Fader(RATE)
    fader.fade(0.0, 0.08)
    first = faded(fader, np.ones(960, np.float32))
    assert first[-1] == pytest.approx(0.5, abs=0.01)
    fader.fade(1.0, 0.04)
    second = faded(fader, np.ones(1920, np.float32))
    assert np.abs(np.diff(np.concatenate([first, second]))).max() < 0.005
    assert second[-1] == 1.0


def test_asking_again_does_not_begin_again() -> None:
    fader = Fader(RATE)
    gains = []
    for _ in range(8):
        fader.fade(0.25, 0.08)
        gains.append(faded(fader, np.ones(240, np.float32))[-1])
    assert gains[-1] == 0.25


@pytest.mark.parametrize(("gain", "seconds"), [(-1.0, 0.1), (1.0, -0.1)])
def test_refuses_what_is_negative_and_goes_on(gain: float, seconds: float) -> None:
    fader = Fader(RATE)
    fader.fade(0.5, 0.0)
    with pytest.raises(ValueError, match="must not be negative"):
        fader.fade(gain, seconds)
    assert np.array_equal(faded(fader, np.ones(960, np.float32)), np.full(960, np.float32(0.5)))
