"""Names of the audio message types the node accepts and produces."""

from __future__ import annotations

AUDIO_FRAME = "personaplex_ros/msg/AudioFrame"
AUDIO_DATA = "audio_common_msgs/msg/AudioData"
AUDIO_DATA_STAMPED = "audio_common_msgs/msg/AudioDataStamped"
AUDIO_INFO = "audio_common_msgs/msg/AudioInfo"
AUDIO_STAMPED = "audio_common_msgs/msg/AudioStamped"
RAW_AUDIO = "foxglove_msgs/msg/RawAudio"

AUDIO_TYPES = (AUDIO_FRAME, AUDIO_DATA, AUDIO_DATA_STAMPED, AUDIO_STAMPED, RAW_AUDIO)
"""AudioData and AudioDataStamped are of ros-drivers, AudioStamped of mgonzs13's package."""
