"""Loudness normalisation against ITU-R BS.1770: its published numbers and its own filters."""

from __future__ import annotations

import numpy as np
import pyloudnorm
import pytest
import scipy.signal

from personaplex_ros.audio import normalise_loudness

# BS.1770-4, tables 1 and 2: the two stages of the K weighting at 48 kHz.
SHELF = (
    [1.53512485958697, -2.69169618940638, 1.19839281085285],
    [1.0, -1.69065929318241, 0.73248077421585],
)
HIGH_PASS = ([1.0, -2.0, 1.0], [1.0, -1.99004745483398, 0.99007225036621])


def loudness_by_the_standard(samples: np.ndarray) -> float:
    """Integrated loudness of a mono signal at 48 kHz, BS.1770-4 annex 1, equations 1 to 7."""
    weighted = scipy.signal.lfilter(*HIGH_PASS, scipy.signal.lfilter(*SHELF, samples))
    blocks = np.lib.stride_tricks.sliding_window_view(weighted, 19_200)[::4_800]
    power = np.mean(blocks**2, axis=1)
    power = power[-0.691 + 10 * np.log10(power + 1e-20) > -70.0]
    relative = -0.691 + 10 * np.log10(power.mean()) - 10.0
    power = power[-0.691 + 10 * np.log10(power) > relative]
    return float(-0.691 + 10 * np.log10(power.mean()))


def speech_like(rate: int, seconds: float = 6.0) -> np.ndarray:
    """Noise in bursts with pauses, so that the gates of the standard have something to do."""
    noise = np.random.default_rng(3).standard_normal(round(seconds * rate))
    coloured = scipy.signal.lfilter([1.0], [1.0, -0.9], noise)
    bursts = np.sin(2 * np.pi * 0.5 * np.arange(len(noise)) / rate) > -0.3
    return (0.02 * coloured * (0.001 + bursts)).astype(np.float32)


@pytest.mark.parametrize("rate", [24_000, 44_100, 48_000])
def test_the_standards_test_tone_gets_the_published_level(rate):
    # BS.1770: a 997 Hz sine at 0 dBFS measures -3.01 LKFS, so at -24 it peaks at -20.99 dBFS.
    # 0.1 LU is the tolerance of EBU Tech 3341 for meters.
    tone = 0.3 * np.sin(2 * np.pi * 997.0 * np.arange(5 * rate) / rate)
    peak_db = 20 * np.log10(np.abs(normalise_loudness(tone, rate)).max())
    assert peak_db == pytest.approx(-20.99, abs=0.1)


def test_the_result_measures_as_asked_by_the_standards_own_filters():
    for lufs in (-24.0, -30.0):
        result = normalise_loudness(speech_like(48_000), 48_000, lufs)
        assert loudness_by_the_standard(result) == pytest.approx(lufs, abs=0.1)


@pytest.mark.parametrize("rate", [16_000, 24_000])
def test_the_result_measures_minus_24_by_pyloudnorm(rate):
    result = normalise_loudness(speech_like(rate), rate)
    assert result.dtype == np.float32
    assert pyloudnorm.Meter(rate).integrated_loudness(result) == pytest.approx(-24.0, abs=1e-3)


def test_the_gain_is_the_only_change():
    source = speech_like(24_000)
    result = normalise_loudness(source, 24_000)
    gain = result[np.abs(source).argmax()] / source[np.abs(source).argmax()]
    assert np.allclose(result, source * gain, rtol=1e-5, atol=1e-9)


def test_audio_without_a_loudness_is_refused():
    with pytest.raises(ValueError, match=r"0\.30 s of audio are too short"):
        normalise_loudness(np.ones(7_200, np.float32), 24_000)
    with pytest.raises(ValueError, match="silent"):
        normalise_loudness(np.zeros(24_000, np.float32), 24_000)
    with pytest.raises(ValueError, match="use to_mono first"):
        normalise_loudness(np.zeros((24_000, 2), np.float32), 24_000)
