"""What is kept of a conversation that outlasts the model's context."""

from __future__ import annotations

ROLL = "roll"
"""As published: the oldest frames are forgotten, the persona's prompt first of all."""
PIN = "pin"
"""The prompt stays in reach; of the conversation the newest frames do."""
FRESH = "fresh"
"""When the context is nearly full it begins anew: with the prompt and the last frames."""
MODES = (PIN, FRESH, ROLL)


def check_mode(mode: str) -> None:
    """Raise ValueError for a mode that there is not."""
    if mode not in MODES:
        raise ValueError(f"long_conversation is {mode!r}; it must be one of {', '.join(MODES)}")
