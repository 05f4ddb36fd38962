"""Resampling of whole signals and of streams, against the sines they were made from."""

from __future__ import annotations

import time

import numpy as np
import pytest

from personaplex_ros.audio import StreamResampler, resample

RATES = [(16_000, 24_000), (44_100, 24_000), (48_000, 24_000), (24_000, 16_000), (8_000, 24_000)]


def sine(frequency: float, rate: int, seconds: float = 2.0) -> np.ndarray:
    times = np.arange(round(seconds * rate)) / rate
    return (0.5 * np.sin(2 * np.pi * frequency * times)).astype(np.float32)


def fit_sine(samples: np.ndarray, frequency: float, rate: int) -> tuple[float, float, float]:
    """Return amplitude, delay in seconds and the ratio of sine to the rest in dB, of the middle."""
    middle = slice(len(samples) // 4, 3 * len(samples) // 4)
    angle = 2 * np.pi * frequency * np.arange(len(samples))[middle] / rate
    basis = np.stack([np.sin(angle), np.cos(angle)], axis=1)
    weights, *_ = np.linalg.lstsq(basis, samples[middle].astype(np.float64), rcond=None)
    rest = samples[middle] - basis @ weights
    amplitude = float(np.hypot(*weights))
    delay = float(np.arctan2(-weights[1], weights[0]) / (2 * np.pi * frequency))
    return amplitude, delay, 20 * np.log10(amplitude / np.sqrt(2) / rest.std())


def stream(resampler: StreamResampler, samples: np.ndarray, sizes: list[int]) -> np.ndarray:
    parts, start = [], 0
    while start < len(samples):
        size = sizes[len(parts) % len(sizes)]
        parts.append(resampler.push(samples[start : start + size]))
        start += size
    return np.concatenate(parts)


@pytest.mark.parametrize(("rate_in", "rate_out"), RATES)
@pytest.mark.parametrize("relative", [0.1, 0.85])
def test_a_sine_keeps_amplitude_and_phase(rate_in, rate_out, relative):
    frequency = relative * min(rate_in, rate_out) / 2
    source = sine(frequency, rate_in)
    for result in (
        resample(source, rate_in, rate_out),
        stream(StreamResampler(rate_in, rate_out), source, [rate_in // 50]),
    ):
        amplitude, delay, purity_db = fit_sine(result, frequency, rate_out)
        assert amplitude == pytest.approx(0.5, rel=1e-3)
        assert abs(delay) < 0.11e-3
        assert purity_db > 100


@pytest.mark.parametrize("rate_in", [44_100, 48_000])
def test_what_the_lower_rate_cannot_carry_is_removed(rate_in):
    source = sine(13_500.0, rate_in)
    for result in (
        resample(source, rate_in, 24_000),
        stream(StreamResampler(rate_in, 24_000), source, [480]),
    ):
        middle = result[len(result) // 4 : 3 * len(result) // 4]
        assert np.sqrt(np.mean(middle**2)) < 1e-5


@pytest.mark.parametrize("length", [1, 7, 1_000, 12_345])
@pytest.mark.parametrize(("rate_in", "rate_out"), [*RATES, (24_000, 24_000), (22_050, 24_000)])
def test_the_length_of_a_whole_signal_is_its_rounded_duration(length, rate_in, rate_out):
    result = resample(np.zeros(length, np.float32), rate_in, rate_out)
    assert abs(len(result) - length * rate_out / rate_in) <= 0.5


@pytest.mark.parametrize(("rate_in", "rate_out"), RATES)
def test_the_chunking_of_a_stream_changes_nothing(rate_in, rate_out):
    noise = np.random.default_rng(1).uniform(-0.3, 0.3, rate_in).astype(np.float32)
    whole = StreamResampler(rate_in, rate_out)
    expected = whole.push(noise)
    assert np.array_equal(
        stream(StreamResampler(rate_in, rate_out), noise, [1, 160, 999]), expected
    )
    whole.reset()
    assert np.array_equal(whole.push(noise), expected)


@pytest.mark.parametrize(
    ("rate_in", "rate_out", "latency_s"),
    [(16_000, 24_000, 0.015), (48_000, 24_000, 0.005), (24_000, 16_000, 0.010)],
)
def test_the_latency_is_constant_and_as_documented(rate_in, rate_out, latency_s):
    resampler = StreamResampler(rate_in, rate_out)
    seen = []
    for _ in range(500):
        resampler.push(np.zeros(rate_in // 100, np.float32))
        seen.append(resampler.latency_s)
    assert seen[10:] == pytest.approx([latency_s] * 490, abs=1.5 / rate_out)


def test_an_odd_ratio_does_not_drift_in_half_an_hour():
    rate_in, rate_out, frequency = 44_100, 24_000, 500.0
    resampler = StreamResampler(rate_in, rate_out)
    second = sine(frequency, rate_in, 1.0)  # whole periods, so seconds join without a seam
    returned = sum(len(resampler.push(second)) for _ in range(1_799))
    last = resampler.push(second)
    _, delay, _ = fit_sine(last, frequency, rate_out)
    start = returned / rate_out % (1 / frequency)
    assert abs((delay + start + 0.5 / frequency) % (1 / frequency) - 0.5 / frequency) < 0.11e-3


def test_equal_rates_pass_unchanged_and_without_latency():
    resampler = StreamResampler(24_000, 24_000)
    samples = sine(440.0, 24_000, 0.1)
    assert np.array_equal(resampler.push(samples), samples)
    assert resampler.latency_s == 0.0


def test_one_frame_takes_well_under_a_millisecond():
    resampler = StreamResampler(16_000, 24_000)
    frame = np.zeros(1_280, np.float32)
    spent = []
    for _ in range(200):
        begin = time.perf_counter()
        resampler.push(frame)
        spent.append(time.perf_counter() - begin)
    assert np.median(spent) < 0.5e-3


def test_wrong_rates_and_shapes_are_refused():
    with pytest.raises(ValueError, match="sample rates must be positive, got 0 and 24000"):
        StreamResampler(0, 24_000)
    with pytest.raises(ValueError, match="use to_mono first"):
        resample(np.zeros((4, 2), np.float32), 16_000, 24_000)
