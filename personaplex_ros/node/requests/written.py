"""Requests as the data of a std_msgs/String: plain text, or a JSON object that may have an id."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

LONGEST_ID = 100
"""Characters of an id, which every state of its request repeats."""
LONGEST_REQUEST = 100_000
"""Characters of a request; what of it may be said or read the model's own limits decide."""
_KINDS = {str: "text in quotes", bool: "true or false"}


def read_request(data: str, plain: str, fields: Mapping[str, type]) -> dict[str, Any]:
    """Return what a request's data has of `fields` and "id"; raises ValueError with the remedy.

    data: a JSON object when it begins with a brace, else it is the value of the field `plain`.
    fields: names and types (str or bool) of what the object may have besides an id.
    """
    if len(data) > LONGEST_REQUEST:
        raise ValueError(f"it has {len(data)} characters, more than {LONGEST_REQUEST}")
    known = {"id": str, **fields}
    data = data.strip()
    if not data.startswith("{"):
        values: dict[str, Any] = {plain: _plain(data, known[plain])}
    else:
        try:
            values = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"it begins with a brace, but is no JSON object: {error}") from error
    for name, value in values.items():
        if name not in known:
            raise ValueError(f"it has {name!r}; known are {', '.join(sorted(known))}")
        if not isinstance(value, known[name]):
            raise ValueError(f"{name} is {value!r}; it must be {_KINDS[known[name]]}")
    if len(values.get("id", "")) > LONGEST_ID:
        raise ValueError(f"its id has more than {LONGEST_ID} characters")
    return values


def _plain(data: str, kind: type) -> str | bool:
    if kind is str:
        return data
    if data not in ("true", "false"):
        raise ValueError(f"it is {data!r}; it must be true or false, or a JSON object")
    return data == "true"


def write_state(request: str, id: str, state: str, message: str, spoken: str) -> str:
    """Return the JSON object that tells what became of a request."""
    told = {"request": request, "id": id, "state": state, "message": message, "spoken": spoken}
    return json.dumps(told)
