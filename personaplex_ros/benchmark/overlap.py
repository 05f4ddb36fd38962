"""How a model that is spoken into stops and answers (Full-Duplex-Bench v1.5).

Both follow from when either side speaks: a stop lasts while both do, a response from the user's
end to the model's next beginning.
"""

from __future__ import annotations

from collections.abc import Sequence

from personaplex_ros.benchmark.backchannel import Segment

USER_GAP_S, MODEL_GAP_S = 0.6, 0.5  # silences up to as long belong to the speech around them


def joined(segments: Sequence[Segment], gap_s: float) -> list[Segment]:
    """Return segments, in order, with silences of up to ``gap_s`` bridged."""
    result: list[Segment] = []
    for start_s, end_s in segments:
        if result and start_s - result[-1][1] <= gap_s:
            result[-1] = (result[-1][0], max(result[-1][1], end_s))
        else:
            result.append((start_s, end_s))
    return result


def stops(user: Sequence[Segment], model: Sequence[Segment]) -> list[Segment]:
    """Return when both spoke: from the later beginning to the earlier end, in order."""
    pairs = ((max(u[0], m[0]), min(u[1], m[1])) for u in user for m in model)
    return sorted(pair for pair in pairs if pair[1] > pair[0])


def responses(user: Sequence[Segment], model: Sequence[Segment]) -> list[Segment]:
    """Return from when the user fell silent until the model next began.

    Where the user speaks several times before that, the last one counts.
    """
    found: dict[float, float] = {}
    for _, end_s in user:
        begins = [start_s for start_s, _ in model if start_s > end_s]
        if begins:
            found[min(begins)] = max(end_s, found.get(min(begins), 0.0))
    return sorted((end_s, begin_s) for begin_s, end_s in found.items())
