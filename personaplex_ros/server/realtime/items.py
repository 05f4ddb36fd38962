"""Messages that a client makes itself: what the person says, and what the robot is to say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from personaplex_ros.server.realtime.heard import Samples, decoded
from personaplex_ros.server.realtime.invalid import Invalid
from personaplex_ros.server.realtime.settings import mapping, text

LONGEST_ID = 64  # characters


@dataclass(frozen=True)
class Item:
    """A message with the client's own name for it, if it gave one.

    sounds: float32 [n] each, of the user; or words: of the assistant.
    """

    id: str | None
    sounds: tuple[Samples, ...]
    words: str


def read_item(given: object) -> Item:
    """Read the item of an event; raises Invalid for what the model can neither hear nor say."""
    item = mapping(given, "item")
    role = item.get("role")
    if item.get("type") != "message" or role not in ("user", "assistant"):
        raise Invalid(
            "only messages of user and assistant are taken; what the robot is to know goes into "
            "the session's instructions",
            "item",
            "unsupported",
        )
    content = item.get("content")
    if not isinstance(content, list) or not content:
        raise Invalid("a message has a list of content", "item.content")
    parts = [mapping(part, f"item.content[{at}]") for at, part in enumerate(content)]
    if role == "user":
        return Item(_id(item), tuple(_sound(part, at) for at, part in enumerate(parts)), "")
    return Item(_id(item), (), " ".join(_words(part, at) for at, part in enumerate(parts)))


def _id(item: Mapping[str, Any]) -> str | None:
    given = item.get("id")
    if given is None:
        return None
    name = text(given, "item.id")
    if not 0 < len(name) <= LONGEST_ID:
        raise Invalid(f"an id has 1 to {LONGEST_ID} characters", "item.id")
    return name


def _sound(part: Mapping[str, Any], at: int) -> Samples:
    if part.get("type") != "input_audio":
        raise Invalid(
            "the model hears and does not read: send the person's words as input_audio, or as "
            "output_text of the assistant what the robot is to say",
            f"item.content[{at}]",
            "unsupported",
        )
    return decoded(part.get("audio"), f"item.content[{at}].audio")


def _words(part: Mapping[str, Any], at: int) -> str:
    if part.get("type") not in ("output_text", "text"):
        raise Invalid(
            "the robot can be let say output_text only", f"item.content[{at}]", "unsupported"
        )
    return text(part.get("text"), f"item.content[{at}].text")
