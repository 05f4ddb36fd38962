"""Sound without ROS and without torch: files, resampling, loudness, microphone intake."""

from .chunk import AudioChunk, ChunkLimits
from .clocks import SpeechPlayback
from .fader import Fader
from .files import WaveFileSource
from .formats import output_format
from .intake_types import IntakeCounters, IntakeLimits, MicrophoneFrame
from .loudness import normalise_loudness
from .microphone import MicrophoneIntake
from .mono import channel_remark, to_mono
from .numbering import samples_between
from .pcm import float32_to_int16, int16_to_float32
from .playback import PlaybackBuffer, PlaybackCounters
from .resample import StreamResampler, resample
from .wave import Wave, WaveWriter, read_wave, write_wave

__all__ = [
    "AudioChunk",
    "ChunkLimits",
    "Fader",
    "IntakeCounters",
    "IntakeLimits",
    "MicrophoneFrame",
    "MicrophoneIntake",
    "PlaybackBuffer",
    "PlaybackCounters",
    "SpeechPlayback",
    "StreamResampler",
    "Wave",
    "WaveFileSource",
    "WaveWriter",
    "channel_remark",
    "float32_to_int16",
    "int16_to_float32",
    "normalise_loudness",
    "output_format",
    "read_wave",
    "resample",
    "samples_between",
    "to_mono",
    "write_wave",
]
