"""A persona: who the robot is (text prompt) and how it sounds (voice prompt)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from personaplex_ros.lm import LMConfig
from personaplex_ros.nn.configuration import shown
from personaplex_ros.resources import share_directory
from personaplex_ros.text_file import read_yaml

TAG = "<system>"
LARGEST_PROMPT = 0.75
"""Share of the context that a prompt may take."""
SHORT_PROMPT = 125
"""Frames that a prompt may always have: models for tests have contexts that are shorter."""


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


def expect_room(config: LMConfig, frame_rate: float, voice: int, text: int) -> None:
    """Raise ValueError if a prompt leaves less than a quarter of the context to the conversation.

    ``voice`` and ``text`` are the frames of either; silence comes before and after the text. What
    no longer fits into the context is forgotten, the prompt's beginning first.
    """
    silence = 2 * int(config.prompt_pause * frame_rate)
    total, most = voice + silence + text, max(LARGEST_PROMPT * config.context, SHORT_PROMPT)
    if total > most:
        raise ValueError(
            f"its prompt takes {total} frames (voice {voice}, silence {silence}, text {text}) and "
            f"the model's context has {config.context}, a quarter of which is kept for the "
            f"conversation; shorten it by {math.ceil(total - most)} (a token of text takes a frame)"
        )


def prompt_frames(
    config: LMConfig, frame_rate: float, voice_codes: Tensor | None, text: list[int]
) -> Tensor:
    """Lay a persona out as forced frames, int64 [rows, F].

    Voice (``voice_codes`` int64 [codebooks, n], if any), half a second of silence, the text prompt
    with one token a frame, half a second of silence. The agent's rows hold the voice or silence,
    the user's a sine throughout (PersonaPlex, arXiv 2602.06053, hybrid prompt).
    """
    pause = int(config.prompt_pause * frame_rate)
    silence = torch.tensor(config.silence_codes)[:, None]
    spoken = [] if voice_codes is None else [voice_codes.cpu()]
    voiced = sum(part.shape[1] for part in spoken)
    words = [config.text_padding] * pause + text + [config.text_padding] * pause if text else (
        [config.text_padding] * 2 * pause
    )  # fmt: skip
    agent = torch.cat([*spoken, silence.expand(-1, len(words))], dim=1)
    user = torch.tensor(config.sine_codes)[:, None].expand(-1, voiced + len(words))
    line = torch.tensor([config.text_padding] * voiced + words, dtype=torch.int64)[None]
    return torch.cat([line, agent, user])
