"""Clocks that run apart: what is written by one is played by another, without a gap."""

from .playback import SpeechPlayback

__all__ = ["SpeechPlayback"]
