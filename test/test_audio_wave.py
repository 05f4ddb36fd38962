"""Sound files: what is read, what is written, and how faults are told."""

from __future__ import annotations

import re
import stat
import struct
import wave

import numpy as np
import pytest
import scipy.io.wavfile
import soundfile

from personaplex_ros.audio import (
    WaveWriter,
    float32_to_int16,
    int16_to_float32,
    read_wave,
    write_wave,
)

ALL_INT16 = np.arange(-32768, 32768, dtype=np.int16)


def test_every_int16_value_survives_the_way_through_float():
    assert np.array_equal(float32_to_int16(int16_to_float32(ALL_INT16)), ALL_INT16)
    assert int16_to_float32(ALL_INT16).min() == -1.0


def test_floats_are_rounded_clipped_and_rid_of_nan():
    values = np.array([0.0, 1.0, -1.0, 2.0, -2.0, 1.4 / 32768, 1.6 / 32768, np.nan, np.inf])
    expected = [0, 32767, -32768, 32767, -32768, 1, 2, 0, 32767]
    assert float32_to_int16(values.astype(np.float32)).tolist() == expected


@pytest.mark.parametrize("channels", [1, 2])
def test_a_written_file_is_read_back_by_another_reader_to_the_last_bit(tmp_path, channels):
    pcm = np.random.default_rng(0).integers(-32768, 32767, (4001, channels), dtype=np.int16)
    samples = int16_to_float32(pcm if channels == 2 else pcm[:, 0])
    write_wave(tmp_path / "a.wav", samples, 16_000)
    rate, other = scipy.io.wavfile.read(tmp_path / "a.wav")
    assert rate == 16_000
    assert np.array_equal(other.reshape(-1, channels), pcm)
    with wave.open(str(tmp_path / "a.wav")) as header:
        assert (header.getnchannels(), header.getsampwidth()) == (channels, 2)


def test_a_file_of_another_writer_is_read_as_full_scale_floats(tmp_path):
    scipy.io.wavfile.write(
        tmp_path / "b.wav", 44_100, np.array([[0, 16384], [-32768, 32767]], "i2")
    )
    content = read_wave(tmp_path / "b.wav")
    assert content.rate == 44_100
    assert content.samples.dtype == np.float32
    assert np.array_equal(content.samples, [[0.0, 0.5], [-1.0, 32767 / 32768]])
    assert content.duration_s == 2 / 44_100


def test_a_recording_appears_only_when_it_is_complete(tmp_path):
    path = tmp_path / "c.wav"
    with WaveWriter(path, 8_000) as writer:
        writer.write(np.full(100, 0.5, np.float32))
        writer.write(np.full(50, -0.5, np.float32))
        assert not path.exists()
    assert np.array_equal(read_wave(path).samples[:, 0], np.repeat([0.5, -0.5], [100, 50]))
    assert [entry.name for entry in path.parent.iterdir()] == ["c.wav"]
    assert stat.S_IMODE(path.stat().st_mode) & 0o400


def test_a_failed_recording_leaves_the_older_file_untouched(tmp_path):
    path = tmp_path / "d.wav"
    write_wave(path, np.zeros(10, np.float32), 8_000)
    before = path.read_bytes()
    with pytest.raises(RuntimeError), WaveWriter(path, 8_000) as writer:
        writer.write(np.ones(10, np.float32))
        raise RuntimeError
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


SOUND = (0.3 * np.sin(np.arange(4_000) * 0.3)).astype(np.float32)
PCM = float32_to_int16(SOUND).tobytes()


def times(factor: float) -> bytes:
    return (SOUND * factor).astype("<f4").tobytes()


def riff(size: int, length: int, form: int, channels: int, rate: int, bits: int, data: bytes):
    """Return a WAV file with these words in its header, true or not."""
    align = channels * bits // 8
    fmt = struct.pack("<HHIIHH", form, channels, rate, rate * align % 2**32, align, bits)
    head = b"WAVEfmt " + struct.pack("<I", 16) + fmt + b"data" + struct.pack("<I", length)
    return b"RIFF" + struct.pack("<I", size) + head + data


@pytest.mark.parametrize(
    ("size", "length"),
    [(8_036, 8_000), (2**32 - 1, 2**32 - 1), (0, 0), (36, 0), (2**31 + 36, 2**31), (8_036, 9_999)],
)
def test_a_file_that_was_streamed_is_read_to_its_end(tmp_path, size, length):
    (tmp_path / "a.wav").write_bytes(riff(size, length, 1, 1, 16_000, 16, PCM))
    assert np.array_equal(float32_to_int16(read_wave(tmp_path / "a.wav").samples[:, 0]),
                          np.frombuffer(PCM, np.int16))  # fmt: skip


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        ("a.wav", "PCM_U8"), ("a.wav", "PCM_24"), ("a.wav", "PCM_32"), ("a.wav", "DOUBLE"),
        ("a.wavex", "PCM_16"), ("a.rf64", "PCM_16"), ("a.flac", "PCM_24"), ("a.ogg", "OPUS"),
        ("a.ogg", "VORBIS"), ("a.mp3", "MPEG_LAYER_III"), ("a.wav", "ULAW"),
    ],
)  # fmt: skip
def test_every_usual_kind_of_file_is_read(tmp_path, name, encoding):
    kind = name.rpartition(".")[2].upper()
    soundfile.write(tmp_path / name, SOUND, 16_000, encoding, format=kind)
    content = read_wave(tmp_path / name)
    assert content.rate == 16_000 and abs(len(content.samples) - len(SOUND)) < 1_200
    assert np.sqrt(np.mean(content.samples[500:3_500] ** 2)) == pytest.approx(0.212, abs=0.03)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (riff(36, 0, 1, 1, 16_000, 16, b""), "holds no samples"),
        (riff(8_036, 8_000, 1, 1, 1, 16, PCM), "has 1 samples a second; from 8000 to 192000 Hz"),
        (riff(8_036, 8_000, 1, 1, 10**7, 16, PCM), "has 10000000 samples a second"),
        (riff(8_036, 8_000, 1, 1_000, 16_000, 16, PCM), "has 1000 channels; at most 32"),
        (riff(8_036, 8_000, 1, 0, 16_000, 16, PCM), "cannot be read as a sound file"),
        (riff(8_036, 8_000, 0x55, 1, 16_000, 16, PCM), "cannot be read as a sound file"),
        (riff(8_036, 8_000, 1, 1, 16_000, 16, PCM)[:30], "cannot be read as a sound file"),
        (riff(16_036, 16_000, 3, 1, 16_000, 32, times(32_768.0)), "divide them by 32768"),
        (riff(16_036, 16_000, 3, 1, 16_000, 32, times(1e30)), "as 3e+29, but full scale is 1.0"),
        (b"", "cannot be read as a sound file"),
    ],
    ids=range(10),
)  # fmt: skip
def test_what_is_no_sound_of_a_microphone_is_refused_in_words(tmp_path, content, words):
    (tmp_path / "a.wav").write_bytes(content)
    with pytest.raises(ValueError, match=re.escape("a.wav'") + ".*") as told:
        read_wave(tmp_path / "a.wav")
    assert words in str(told.value)


def test_a_damaged_file_that_claims_more_than_memory_holds_is_refused(tmp_path):
    path = tmp_path / "a.flac"
    soundfile.write(path, SOUND, 16_000)
    content = bytearray(path.read_bytes())
    content[21] |= 0x0F  # of the 36 bits with the number of samples
    content[22] = 0xFF
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.flac' says that it has \d+ samples, more than"):
        read_wave(path)
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.flac' does not say how long it is, .* to WAV"):
        read_wave(path)


def test_faulty_files_are_named_with_the_reason(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.wav' does not exist"):
        read_wave(tmp_path / "none.wav")
    (tmp_path / "text.wav").write_text("this is no sound")
    with pytest.raises(ValueError, match=r"text\.wav' cannot be read as a sound file"):
        read_wave(tmp_path / "text.wav")
    scipy.io.wavfile.write(tmp_path / "empty.wav", 8_000, np.zeros(0, np.int16))
    with pytest.raises(ValueError, match=r"empty\.wav' holds no samples"):
        read_wave(tmp_path / "empty.wav")
    scipy.io.wavfile.write(tmp_path / "nan.wav", 8_000, np.array([0.0, np.nan], np.float32))
    with pytest.raises(ValueError, match=r"nan\.wav' holds NaN"):
        read_wave(tmp_path / "nan.wav")
    with pytest.raises(ValueError, match=r"must be \[n\] or \[n, channels\]"):
        write_wave(tmp_path / "e.wav", np.zeros((2, 2, 2), np.float32), 8_000)
