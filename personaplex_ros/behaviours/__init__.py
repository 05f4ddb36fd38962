"""Behaviours for py_trees and py_trees_ros: wait for a person, hold still for them, converse.

`state` is what a tree knows of the conversation, without py_trees and ROS; `topics` fills it from
the graph; `speech` sends the robot sentences; `tree` has the behaviours.
"""

from personaplex_ros.behaviours.speech import Speech
from personaplex_ros.behaviours.spoken import Spoken
from personaplex_ros.behaviours.state import ConversationState
from personaplex_ros.behaviours.topics import ConversationTopics

__all__ = ["ConversationState", "ConversationTopics", "Speech", "Spoken"]
