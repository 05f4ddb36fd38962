"""A persona: who the robot is (text prompt) and how it sounds (voice prompt)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from personaplex_ros.nn.configuration import shown
from personaplex_ros.resources import share_directory
from personaplex_ros.text_file import read_yaml

TAG = "<system>"


@dataclass(frozen=True)
class Persona:
    """Name, role in words, and voice: a name known to the checkpoint, a .wav or a .pt file.

    Without a voice the conversation begins with the text prompt; an empty text prompt is left out.
    """

    name: str
    text_prompt: str = ""
    voice: str | None = None


def load_persona(persona: str | Path) -> Persona:
    """Read a persona file, given by path or by its name in config/personas.

    A voice given as a relative path is looked for beside the file. Raises FileNotFoundError or
    ValueError naming the file and what is wrong with it.
    """
    path = Path(persona).expanduser()
    folder = share_directory() / "config" / "personas"
    if path.suffix not in (".yaml", ".yml"):
        path = folder / f"{persona}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in folder.glob("*.yaml")))
        raise FileNotFoundError(f"no persona {str(persona)!r}: no file {path}; there are: {known}")
    content = read_yaml(path)
    if not isinstance(content, dict):
        raise ValueError(
            f"{path} must hold a mapping of `name`, `text_prompt` and `voice`, it holds "
            f"{shown(content)}"
        )
    surplus = set(content) - {"name", "text_prompt", "voice"}
    if surplus:
        raise ValueError(
            f"{path}: unknown {', '.join(sorted(map(str, surplus)))}; a persona has `name`, "
            "`text_prompt` and `voice`"
        )
    wrong = [key for key, value in content.items() if not isinstance(value, str | None)]
    if wrong:
        raise ValueError(f"{path}: {', '.join(wrong)} must be text")
    voice = content.get("voice")
    if voice and (path.parent / voice).is_file():
        voice = str(path.parent / voice)
    return Persona(content.get("name") or path.stem, content.get("text_prompt") or "", voice)


def tagged(text: str) -> str:
    """Put a text prompt between system tags, unless it already is; empty stays empty."""
    text = text.strip()
    if not text or (text.startswith(TAG) and text.endswith(TAG)):
        return text
    return f"{TAG} {text} {TAG}"
