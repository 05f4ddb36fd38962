"""Which persona the node speaks as: a file's, with text prompt or voice replaced."""

from __future__ import annotations

from dataclasses import replace

from personaplex_ros.persona import Persona, load_persona


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
