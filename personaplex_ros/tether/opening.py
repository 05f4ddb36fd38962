"""What a server is asked for when a conversation begins."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from personaplex_ros.conversing import Sampling
from personaplex_ros.persona import Persona

PUBLISHED = re.compile(r"(NAT|VAR)[FM]\d")
"""Names of the model's own voices."""


@dataclass(frozen=True)
class Opening:
    """Who the robot is to be, how its tokens are chosen, and the seed of the choice."""

    persona: Persona
    sampling: Sampling
    seed: int

    @property
    def published_voice(self) -> bool:
        """Whether the voice is one of the model's own, which some servers know by its file."""
        return PUBLISHED.fullmatch(self.persona.voice or "") is not None

    def query(self, voice_as_file: bool) -> dict[str, str]:
        """Return the parameters of the request, by the names of the public servers.

        voice_as_file: whether a published voice is named as its file, as NVIDIA's server wants it.
        """
        sampling, voice = self.sampling, self.persona.voice
        top_k = (1, 1) if sampling.greedy else (sampling.text_top_k, sampling.audio_top_k)
        query = {
            "text_prompt": self.persona.text_prompt,
            "seed": str(self.seed),
            "text_temperature": f"{sampling.text_temperature:g}",
            "audio_temperature": f"{sampling.audio_temperature:g}",
            "text_topk": str(top_k[0]),
            "audio_topk": str(top_k[1]),
        }
        if voice:
            as_file = voice_as_file and self.published_voice
            query["voice_prompt"] = f"{voice}.pt" if as_file else voice
        return query


def check_voice(persona: Persona) -> None:
    """Raise ValueError for a voice that is a file of this machine: it would have to be sent."""
    voice = persona.voice
    if voice and ("/" in voice or Path(voice).is_file()):
        raise ValueError(
            f"persona {persona.name!r}: its voice {voice} is a file of this machine, and the model "
            "runs elsewhere (engine); put the file there and name it, without a folder"
        )
