"""A caller at the other end of the graph: plays a recording to the node and records its answer."""

from personaplex_ros.demo.console import Console
from personaplex_ros.demo.player import Player
from personaplex_ros.demo.process import START_S, choose_graph, node_process, wait_until_active
from personaplex_ros.demo.recorder import FILES, Recorder

__all__ = [
    "FILES",
    "START_S",
    "Console",
    "Player",
    "Recorder",
    "choose_graph",
    "node_process",
    "wait_until_active",
]
