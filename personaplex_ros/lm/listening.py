"""The listening head: which word of the person has just ended, from the model's hidden state."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

NO_WORD = 0
"""The output that says that no word has just ended; word n is output n + 1."""
QUIET_BIAS = math.log(6.0)
"""What is added to its log-probability, since such frames weigh little in training."""


class ListeningHead(nn.Linear):
    """A linear layer on a language model's normed hidden states, float32.

    It knows no words but those it was trained with.
    """

    def __init__(
        self, width: int, words: Sequence[str], device: torch.device | str | None = None
    ) -> None:
        """``width`` is that of the hidden state."""
        super().__init__(width, 1 + len(words), device=device)
        self.words = tuple(words)

    def choose(self, hidden: Tensor) -> Tensor:
        """Return the output int64 [B] for hidden [B, width]: that of a word, or ``NO_WORD``."""
        logits = F.linear(hidden.float(), self.weight, self.bias)
        logits[:, NO_WORD] += QUIET_BIAS  # of all alike, as log-probabilities are logits less
        return logits.argmax(1)
