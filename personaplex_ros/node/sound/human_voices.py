"""The person's voice as REP-155 names it: /humans/voices/..., for other nodes around people.

Only what was heard of the person is here; the robot's words and speech have their own topics.
"""

from __future__ import annotations

import array
import threading
from contextlib import ExitStack

import numpy as np
import numpy.typing as npt

from personaplex_ros.audio import float32_to_int16
from personaplex_ros.node.hosts.bus import LATCHED, RELIABLE, Bus
from personaplex_ros.node.hosts.messages import set_header
from personaplex_ros.node.parameters.definition import ParameterError
from personaplex_ros.node.sound.reading import audio_message_class
from personaplex_ros.node.sound.types import AUDIO_DATA

VOICES = "/humans/voices"
IDS_LIST = "hri_msgs/msg/IdsList"


class HumanVoices:
    """Publishes tracked, <id>/is_speaking and, if asked, <id>/audio of one voice.

    There is no voice separation, so one id stands for whoever speaks. `tracked` names it while the
    node listens. audio: mono S16LE at the model's rate, one message a frame (80 ms).
    """

    def __init__(self, bus: Bus, voice_id: str, *, audio: bool) -> None:
        """Open the topics.

        Raises ParameterError when a message type is not installed.
        """
        self._bus = bus
        self._id = voice_id
        self._open = ExitStack()
        self._lock = threading.Lock()
        self._listening = False
        self._speaking = False
        try:
            self._ids = bus.message(IDS_LIST)
            self._bool = bus.message("std_msgs/msg/Bool")
            self._audio_data = audio_message_class(bus, AUDIO_DATA) if audio else None
        except LookupError as error:
            raise ParameterError(
                f"human_voice is true, but {error}; or set it (and human_voice_audio) to false"
            ) from error
        own = f"{VOICES}/{voice_id}"
        self._tracked = bus.advertise(f"{VOICES}/tracked", IDS_LIST, LATCHED)
        self._is_speaking = bus.advertise(f"{own}/is_speaking", "std_msgs/msg/Bool", LATCHED)
        self._open.callback(self._tracked.close)
        self._open.callback(self._is_speaking.close)
        if audio:
            self._audio = bus.advertise(f"{own}/audio", AUDIO_DATA, RELIABLE)
            self._open.callback(self._audio.close)

    def listen(self, listening: bool) -> None:
        """Tell whether the microphone is heard from now on."""
        with self._lock:
            self._listening = listening
            self._publish()

    def follow(self, speaking: bool) -> None:
        """Take whether the person speaks, at every change and repeatedly."""
        with self._lock:
            self._speaking = speaking
            self._publish()

    def heard(self, samples: npt.NDArray[np.float32]) -> None:
        """Take one frame of the microphone, float32 [n]; one thread."""
        if self._audio_data is not None:
            message = self._audio_data()
            message.data = array.array("B", float32_to_int16(samples).tobytes())
            self._audio.publish(message)

    def close(self) -> None:
        """Say that no voice is tracked any more, then close the topics."""
        with self._lock:
            self._listening = self._speaking = False
            self._publish()
        self._open.close()

    def _publish(self) -> None:
        tracked = self._ids()
        set_header(tracked.header, self._bus.now_ns(), "")
        tracked.ids = [self._id] if self._listening else []
        self._tracked.publish(tracked)
        is_speaking = self._bool()
        is_speaking.data = self._speaking
        self._is_speaking.publish(is_speaking)
