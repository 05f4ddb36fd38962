"""The robot's own sound in its microphone: what was played, when it comes back, cancelling it."""

from .canceller import SOUNDING, EchoCanceller, EchoFrame, EchoPath
from .delay import Delay, DelayTracker
from .reference import Reference
from .webrtc import Processing, WebRtcCanceller

__all__ = [
    "SOUNDING",
    "Delay",
    "DelayTracker",
    "EchoCanceller",
    "EchoFrame",
    "EchoPath",
    "Processing",
    "Reference",
    "WebRtcCanceller",
]
