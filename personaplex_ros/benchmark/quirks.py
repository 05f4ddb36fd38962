"""Where the published scoring scripts do something else than the published definitions.

Each is off by default and has a name, so that a score can be compared with the published ones.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields

ALL = "published"  # the name for all of them together


@dataclass(frozen=True)
class Quirks:
    """Which of the published scripts' peculiarities are followed."""

    middle_takes_over: bool = False  # so does what is neither a takeover nor a backchannel
    last_segment: bool = False  # each segment replaces the verdict on those before it
    rounded_segments: bool = False  # their times are rounded to 0.1 s
    jsd_distance: bool = False  # the square root of the divergence in nats, still 1 for nothing
    whole_output: bool = False  # words before the end of an interruption count as its answer

    @staticmethod
    def named(names: Iterable[str]) -> Quirks:
        """Return those of these names. Raises ValueError for an unknown one."""
        known = [field.name for field in fields(Quirks)]
        chosen = set(names)
        unknown = sorted(chosen - {*known, ALL})
        if unknown:
            raise ValueError(f"no quirk {', '.join(unknown)}; there are {', '.join(known)}, {ALL}")
        return Quirks(**{name: name in chosen or ALL in chosen for name in known})

    def names(self) -> list[str]:
        """Return the names of those that are followed."""
        return [name for name, followed in asdict(self).items() if followed]
