"""Behaviours for py_trees and py_trees_ros: wait for a person, hold still for them, converse.

`state` is what a tree knows of the conversation and `engagement` what follows from it, both without
py_trees and ROS; `topics` fills the state from the graph; `tree` has the behaviours.
"""

from personaplex_ros.behaviours.engagement import Engagement
from personaplex_ros.behaviours.state import ConversationState
from personaplex_ros.behaviours.topics import ConversationTopics

__all__ = ["ConversationState", "ConversationTopics", "Engagement"]
