"""Many channels and wrong scales: what is heard of them, in files and in streams."""

from __future__ import annotations

import numpy as np
import pytest

from personaplex_ros.audio import AudioChunk, MicrophoneIntake, channel_remark, to_mono

START_NS = 1_700_000_000_000_000_000
RATE, FRAME = 24_000, 1_920
TONE = (0.3 * np.sin(np.arange(8 * FRAME) * 0.05)).astype(np.float32)
OTHER = np.random.default_rng(1).normal(0, 0.1, 8 * FRAME).astype(np.float32)
NOTHING = np.zeros_like(TONE)


def heard(*messages: np.ndarray) -> tuple[np.ndarray, MicrophoneIntake]:
    """Return what the intake makes of messages [n, channels], 80 ms each."""
    intake, frames = MicrophoneIntake(RATE, FRAME), []
    for number, part in enumerate(messages):
        stamp_ns = START_NS + number * 80_000_000
        channels = part.shape[1]
        chunk = AudioChunk(part.reshape(-1), RATE, channels, stamp_ns, number * FRAME, "mic")
        intake.accept(chunk, stamp_ns)
        frame = intake.take(0.0)
        assert frame is not None
        frames.append(frame.samples)
    return np.concatenate(frames), intake


def cut(*channels: np.ndarray) -> list[np.ndarray]:
    return np.split(np.stack(channels, axis=1), 8)


@pytest.mark.parametrize(
    ("channels", "expected", "remark"),
    [
        ((TONE, TONE), TONE, ""),
        ((TONE, OTHER), (TONE + OTHER) / 2, ""),
        ((TONE, NOTHING), TONE / 2, ""),
        ((NOTHING, NOTHING), NOTHING, ""),
        ((TONE, -TONE), TONE, "the louder, channel 1, is heard"),
        ((-0.9 * TONE, TONE), TONE, "the louder, channel 2, is heard"),
        ((TONE, OTHER, OTHER, -TONE), TONE, "of its 4 channels only channel 1 is heard"),
        ((NOTHING, TONE, OTHER), TONE, "of its 3 channels only channel 2 is heard"),
    ],
)
def test_of_several_channels_a_file_and_a_stream_are_heard_alike(channels, expected, remark):
    table = np.stack(channels, axis=1)
    assert np.allclose(to_mono(table), expected, atol=1e-6)
    assert remark in channel_remark(table) and bool(remark) == bool(channel_remark(table))
    track, intake = heard(*cut(*channels))
    assert np.allclose(track, expected, atol=1e-6)
    assert ("louder" in remark) == any("cancel" in note for note in intake.notes())
    pcm = [(part * 32_767).astype(np.int16) for part in cut(*channels)]
    assert np.allclose(heard(*pcm)[0], expected, atol=1e-3)


def test_channels_that_cancel_for_a_while_are_both_heard_again():
    track, _ = heard(*cut(TONE, -TONE)[:4], *cut(TONE, TONE))
    assert np.abs(track[:FRAME]).max() > 0.25 and np.allclose(track[-FRAME:], TONE[-FRAME:])


@pytest.mark.parametrize("scale", [2.0**15, 2.0**23, 2.0**31])
def test_floats_that_were_integers_are_divided(scale):
    loud = [part * np.float32(3 * scale) for part in cut(TONE)]
    quiet = [part * np.float32(scale) for part in cut(TONE / 1000)]
    track, intake = heard(*loud, *quiet)
    assert np.allclose(track, np.clip(np.concatenate([3 * TONE, TONE / 1000]), -1, 1), atol=1e-6)
    assert intake.snapshot().clipped_samples == 0 and intake.snapshot().nan_samples == 0
    (note,) = intake.notes()
    assert f"divided by {scale:.0f} here: do so in the publisher" in note


def test_floats_larger_than_any_scale_are_silence_and_single_ones_are_clipped():
    track, intake = heard(*(part * np.float32(1e38) for part in cut(TONE)))
    assert not track.any() and intake.snapshot().nan_samples == 8 * FRAME
    spike = TONE.copy()
    spike[100] = 1e30
    track, intake = heard(*cut(spike))
    assert track[100] == 1.0 and np.array_equal(np.delete(track, 100), np.delete(TONE, 100))
    assert intake.snapshot().clipped_samples == 1 and not intake.notes()


def test_shapes_that_are_no_sound_are_refused():
    assert to_mono(TONE).tolist() == TONE.tolist()
    with pytest.raises(ValueError, match=r"must be \[n\] or \[n, channels\]"):
        to_mono(np.zeros((2, 2, 2), np.float32))
