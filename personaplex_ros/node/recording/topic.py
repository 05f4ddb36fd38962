"""The topic `recording`: whether people are recorded, for a light on the robot."""

from __future__ import annotations

from personaplex_ros.node.hosts.bus import LATCHED, Bus

BOOL = "std_msgs/msg/Bool"


class RecordingTopic:
    """Tells from the node's start to its end, in every state, at every change."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._type = bus.message(BOOL)
        self._publisher = bus.advertise("recording", BOOL, LATCHED)
        self.set(False)

    def set(self, recording: bool) -> None:
        """Publish the state; any thread, never raises."""
        message = self._type()
        message.data = recording
        try:
            self._publisher.publish(message)
        except Exception as error:
            self._bus.log("error", f"the topic recording was not published: {error}")

    def close(self) -> None:
        """Close the topic."""
        self._publisher.close()
