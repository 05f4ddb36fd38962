"""Whether every persona can speak with this checkpoint: its voice has to be found in it."""

from __future__ import annotations

from personaplex_ros.checkpoint import CheckpointFiles, find_voice
from personaplex_ros.checkpoint.inspection import inspect
from personaplex_ros.doctor.finding import Finding, Setup, Status
from personaplex_ros.persona import load_persona
from personaplex_ros.resources import share_directory

SUBJECT = "Personas"


def check(setup: Setup) -> list[Finding]:
    """Look for the voice of every persona file."""
    try:
        files = CheckpointFiles.find(setup.checkpoint)
        takes_persona = inspect(files).lm.takes_persona
    except (FileNotFoundError, ValueError):
        return []  # said by the checkpoint's own line
    if not takes_persona:
        found = "none: a Moshi checkpoint takes no persona, it is always itself"
        return [Finding(SUBJECT, Status.OK, found)]
    good, broken = [], []
    for path in sorted((share_directory() / "config" / "personas").glob("*.yaml")):
        try:
            persona = load_persona(path)
            if persona.voice:
                find_voice(persona.voice, [files.directory])
            good.append(f"{path.stem} ({persona.voice or 'no voice'})")
        except (FileNotFoundError, ValueError) as error:
            broken.append(f"{path.stem}: {error}")
    if broken:
        remedy = (
            "put the voices (voices.tgz, or voices/ with .wav or .pt files) into the checkpoint's "
            "folder, or name others in the persona files"
        )
        return [Finding(SUBJECT, Status.WARN, "; ".join(broken), remedy)]
    return [Finding(SUBJECT, Status.OK, ", ".join(good))]
