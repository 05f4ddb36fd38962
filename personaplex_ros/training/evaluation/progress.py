"""How far an evaluation is, as bars in the terminal."""

from __future__ import annotations

from dataclasses import dataclass, field

from tqdm import tqdm


@dataclass(frozen=True)
class Bars:
    """A bar for each part of an evaluation, to be called as its ``progress``."""

    _bars: dict[str, tqdm] = field(default_factory=dict)

    def __call__(self, part: str, done: int, total: int) -> None:
        """Show that so many of a part are done."""
        if part not in self._bars:
            self._bars[part] = tqdm(desc=part, total=total)
        bar = self._bars[part]
        bar.update(done - bar.n)
