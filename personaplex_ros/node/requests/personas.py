"""Which persona the node speaks as: a file's, with text prompt or voice replaced."""

from __future__ import annotations

from dataclasses import replace

from personaplex_ros.node.parameters.definition import Value
from personaplex_ros.node.parameters.table import Parameters
from personaplex_ros.persona import Persona, load_persona


def persona_values(
    present: Parameters, persona: str, text_prompt: str, voice: str
) -> dict[str, Value]:
    """Return what a request of ~/set_persona makes of the parameters that say who the robot is.

    Another persona takes the place of text prompt and voice, too; without one they are kept, where
    the request has no others.
    """
    if persona:
        return {"persona": persona, "text_prompt": text_prompt, "voice": voice}
    return {
        "persona": present.persona,
        "text_prompt": text_prompt or present.text_prompt,
        "voice": voice or present.voice,
    }


def chosen_persona(base: Persona | str, text_prompt: str, voice: str) -> Persona:
    """Return `base` (a persona, or name or path of its file) with what is not empty replaced.

    Raises FileNotFoundError or ValueError naming the file and the remedy.
    """
    persona = base if isinstance(base, Persona) else load_persona(base)
    return replace(
        persona,
        text_prompt=text_prompt or persona.text_prompt,
        voice=voice or persona.voice,
    )
