"""What happens when people come and go: fresh conversations, greetings."""

from __future__ import annotations

from dataclasses import dataclass

from personaplex_ros.node.parameters.definition import When, parameter

ON_ENGAGEMENT = "on_engagement"
PRESENCE_TYPES = ("std_msgs/msg/Bool", "hri_msgs/msg/IdsList")


@dataclass(frozen=True)
class VisitParameters:
    """What happens when people come and go: fresh conversations, greetings."""

    new_conversation: str = parameter(
        "never",
        "Whether the conversation begins anew by itself, as the same persona: with on_engagement "
        "when an engagement has ended (engagement_end_s) and nobody speaks.",
        When.ANY,
        choices=("never", ON_ENGAGEMENT),
    )
    greeting: str = parameter(
        "Hello and welcome. How can I help you?",
        "What the robot says on a message on the topic greet that has no text of its own, and to "
        "those who arrive (presence_topic).",
        When.ANY,
    )
    presence_topic: str = parameter(
        "",
        "If not empty, a topic that tells whether people are there, who are greeted when they "
        "arrive; of type presence_type.",
        When.STARTUP,
    )
    presence_type: str = parameter(
        PRESENCE_TYPES[0],
        "Message type of presence_topic: true, or a list of people that is not empty, means that "
        "somebody is there. That of ROS4HRI's /humans/persons/tracked is hri_msgs/msg/IdsList.",
        When.STARTUP,
        choices=PRESENCE_TYPES,
    )
    presence_gone_s: float = parameter(
        3.0,
        "Time for which nobody must have been there for the next to count as arriving.",
        When.STARTUP,
        unit="s",
        minimum=0.0,
        maximum=3600.0,
    )
