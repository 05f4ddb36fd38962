"""The Mimi codec: waveform <-> codes."""

from personaplex_ros.mimi.codec import DecoderState, EncoderState, Mimi
from personaplex_ros.mimi.config import MimiConfig

__all__ = ["DecoderState", "EncoderState", "Mimi", "MimiConfig"]
