"""The topics that take requests, for the node and for whoever publishes them; no torch."""

from __future__ import annotations

STRING = "std_msgs/msg/String"
SAY_TEXT = "say_text"
SET_PERSONA_REQUEST = "set_persona_request"
RESET_REQUEST = "reset_request"
RECORD_REQUEST = "record_request"
REQUEST_STATE = "request_state"
"""What becomes of each request."""

_IN_PLACE = {
    "say": SAY_TEXT,
    "set_persona": SET_PERSONA_REQUEST,
    "reset": RESET_REQUEST,
    "record": RECORD_REQUEST,
}


def topic_in_place(service: str) -> str:
    """Return the topic that takes the requests of a service or action, "" if there is none."""
    return _IN_PLACE.get(service.partition("/_action/")[0].rpartition("/")[2], "")
