"""The name of the action ~/say, for the node and for whoever calls it; no torch."""

from __future__ import annotations

SAY = "personaplex_ros/action/Say"
