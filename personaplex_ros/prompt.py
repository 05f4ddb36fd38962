"""A persona as the model reads it: the forced frames that come before a conversation."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from personaplex_ros.lm import LMConfig

LARGEST_PROMPT = 0.75
"""Share of the context that a prompt may take."""
SHORT_PROMPT = 125
"""Frames that a prompt may always have: models for tests have contexts that are shorter."""


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
