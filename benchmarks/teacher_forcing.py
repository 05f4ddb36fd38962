"""How far the predictions of two language models differ that hear and say the same tokens."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch.nn import functional as F

from personaplex_ros.lm import LanguageModel


def kl(expected: torch.Tensor, given: torch.Tensor) -> float:
    """Return the Kullback-Leibler divergence of rows of logits, in nats, summed over the rows."""
    p, q = F.log_softmax(expected.double(), -1), F.log_softmax(given.double(), -1)
    return float(F.kl_div(q, p, reduction="sum", log_target=True))


@torch.inference_mode()
def teacher_forced(
    sure: LanguageModel, light: LanguageModel, seed: int, frames: int
) -> Iterator[tuple[float, float, bool]]:
    """Yield of each frame: KL of text and codes in nats, and whether the likeliest text agrees."""
    device, shape = sure.text_emb.weight.device, sure.grid_shape()
    generator = torch.Generator(device).manual_seed(seed)
    models = (sure, light)
    for lm in models:
        lm.fused = False
    states = [lm.initial_state(1) for lm in models]

    def compared(logits: list[torch.Tensor]) -> tuple[torch.Tensor, float, bool]:
        """Return a token drawn from the first model's logits, the KL, whether the best agree."""
        expected, given = (values[0] for values in logits)
        drawn = torch.multinomial(expected.double().softmax(-1), 1, generator=generator)
        return drawn, kl(expected, given), bool(expected.argmax() == given.argmax())

    for _ in range(frames):
        size = (1, sure.config.codebooks)
        user = torch.randint(sure.config.cardinality, size, generator=generator, device=device)
        hidden = [
            lm.temporal_step(state, user, shape, even=True)
            for lm, state in zip(models, states, strict=True)
        ]
        heads = [lm.text_linear(h) for lm, h in zip(models, hidden, strict=True)]
        token, text, same = compared(heads)
        chosen, codes = [token], []
        for step in range(sure.config.codebooks):
            logits = [
                lm.depth_logits(h, token, step, state.depth_past)
                for lm, h, state in zip(models, hidden, states, strict=True)
            ]
            token, code, _ = compared(logits)
            chosen.append(token)
            codes.append(code)
        for lm, state in zip(models, states, strict=True):
            lm.enter(state, torch.stack(chosen, 1), shape, None)
            state.columns[0] += 1
        yield text, float(np.mean(codes)), same
