"""Letting the robot say sentences, over either host, by action or by topic."""

from __future__ import annotations

from typing import Any

from personaplex_ros.behaviours.by_topic import SpeechByTopic
from personaplex_ros.behaviours.spoken import Spoken
from personaplex_ros.node.hosts.bus import Bus
from personaplex_ros.node.requests.say_action import SAY


class Speech:
    """The calling end of the node's action `say`.

    Where the node runs on another vendor's DDS, which no action reaches, the topic `say_text`
    takes its place; words come at the end then, not one by one.
    """

    def __init__(self, bus: Bus, action: str = "personaplex/say") -> None:
        self._action = action
        self._type: Any = bus.message(SAY)
        self._client = bus.action_client(action, SAY)
        self._by_topic = SpeechByTopic(bus)

    def say(self, text: str) -> Spoken:
        """Begin to say a text, in place of what is being said; returns at once.

        Without a node to say it, it has failed at once.
        """
        spoken = Spoken()
        if self._client.ready():
            goal = self._type.Goal(text=text)
            spoken.goal = self._client.send(goal, spoken.heard, spoken.ended)
        elif self._client.obstacle():
            self._by_topic.say(text, spoken)
        else:
            spoken.message = f"nobody serves the action {self._action}: is the node there?"
            spoken.success = False
        return spoken

    def close(self) -> None:
        """Close the client."""
        self._client.close()
        self._by_topic.close()
