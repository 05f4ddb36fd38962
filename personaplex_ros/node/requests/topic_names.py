"""The topics that take requests, for the node and for whoever publishes them; no torch."""

from __future__ import annotations

STRING = "std_msgs/msg/String"
SAY_TEXT = "say_text"
SET_PERSONA_REQUEST = "set_persona_request"
RESET_REQUEST = "reset_request"
RECORD_REQUEST = "record_request"
REQUEST_STATE = "request_state"
"""What becomes of each request."""
