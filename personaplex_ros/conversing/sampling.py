"""How a conversation's tokens are chosen."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Sampling:
    """How tokens are chosen; the defaults are the published ones.

    Raises ValueError for a temperature that is not above 0 or a top-k below 1.
    """

    text_temperature: float = 0.7
    text_top_k: int = 25
    audio_temperature: float = 0.8
    audio_top_k: int = 250
    greedy: bool = False

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name.endswith("temperature") and not 0 < value < float("inf"):
                raise ValueError(f"{field.name} is {value}; it must be above 0 (or use greedy)")
            if field.name.endswith("top_k") and value < 1:
                raise ValueError(f"{field.name} is {value}; it must be at least 1")
