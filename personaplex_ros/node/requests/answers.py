"""What can be asked of a conversation besides a sentence, and the answer: success and a message."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from personaplex_ros.node.hosts.bus import Bus
from personaplex_ros.node.hosts.serving import one_line
from personaplex_ros.remedies import with_remedy


@dataclass(frozen=True)
class Handlers:
    """Functions that return a message for success and raise otherwise; any thread.

    `set_persona` gets (persona, text_prompt, voice), each empty for "as it is"; `record` whether
    the conversation may be recorded.
    """

    reset: Callable[[], str]
    set_persona: Callable[[str, str, str], str]
    record: Callable[[bool], str]


def answered(bus: Bus, name: str, action: Callable[[], str]) -> tuple[bool, str]:
    """Return whether `action` succeeded, and its message or why not; that is logged, too."""
    try:
        return True, action()
    except Exception as error:
        message = with_remedy(error)
        bus.log("warn", f"{name} failed: {one_line(message)}")
        return False, message
