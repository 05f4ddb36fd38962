"""Who speaks: the agent's voices by name, and callers; some callers are kept for evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from personaplex_ros.training.chance import pick
from personaplex_ros.training.voices.recorded import INDEX, RecordedVoice
from personaplex_ros.training.voices.speech import Speaker, Voice

AGENTS = {
    "NATF0": Voice("en-us+f2", words_per_minute=170, pitch=45),
    "NATF2": Voice("en-us+f4", words_per_minute=158, pitch=30),
    "NATM0": Voice("en-us+m1", words_per_minute=170, pitch=50),
    "NATM1": Voice("en-us+m7", words_per_minute=158, pitch=30),
}

ACCENTS = ("en-us", "gmw/en", "en-gb-x-rp", "en-us-nyc", "en-gb-scotland", "en-029")
VARIANTS = (
    "f1", "f3", "m2", "m4", "m5", "Alex", "Alicia", "Andrea", "Andy", "Annie", "Denis", "Diogo",
    "Gene", "Henrique", "Hugo", "Jacky", "Lee", "Marco", "Mario", "Michael", "Mike", "Reed",
    "adam", "belinda", "benjamin", "boris", "caleb", "david", "ed", "edward", "grandma", "grandpa",
    "gustave", "ian", "john", "linda", "max", "michel", "pablo", "paul", "pedro", "quincy", "rob",
    "robert", "shelby", "steph", "travis", "victor", "zac",
)  # fmt: skip
HELD_OUT = (
    "en-us+f5", "en-us+m6", "gmw/en+steph2", "en-us+sandro", "gmw/en+anika", "en-us+edward2",
    "en-gb-x-rp+m3", "en-us+miguel",
)  # fmt: skip


def random_caller(rng: np.random.Generator, held_out: bool = False) -> Voice:
    """Draw a caller: accent, variant, rate and pitch; ``held_out`` ones are never trained on."""
    if held_out:
        name = str(rng.choice(HELD_OUT))
    else:
        accent = str(rng.choice(ACCENTS, p=(0.4, 0.2, 0.1, 0.1, 0.1, 0.1)))
        name = f"{accent}+{rng.choice(VARIANTS)}"
    rate = int(rng.integers(140, 195))
    return Voice(name, rate, int(rng.integers(25, 75)), int(rng.integers(30, 70)))


NATURAL_CHANCE = 0.65  # of a caller, where there are recorded voices
CHANGED_CHANCE = 0.6  # of a recorded voice, that it is made into another speaker
FACTORS = (0.86, 1.2)  # by which others are made higher: from old men to children


@dataclass(frozen=True)
class Callers:
    """Everybody who may call: the synthesiser's voices, and those that were recorded."""

    recorded: Sequence[RecordedVoice] = ()

    @staticmethod
    def open(folder: Path) -> Callers:
        """Take the voices whose folders lie in another; none where that does not exist."""
        found = sorted(index.parent for index in folder.glob(f"*/{INDEX}"))
        return Callers([RecordedVoice.open(one) for one in found])

    def draw(self, rng: np.random.Generator) -> Speaker:
        """Draw a caller to learn from."""
        if not self.recorded or rng.random() >= NATURAL_CHANCE:
            return random_caller(rng)
        voice = pick(self.recorded, rng)
        if rng.random() < CHANGED_CHANCE:
            return voice.changed(rng)
        return replace(voice, factor=float(np.exp(rng.uniform(*np.log(FACTORS)))))
