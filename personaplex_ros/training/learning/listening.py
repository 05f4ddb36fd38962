"""Training of the listening head, on the hidden states of a language model that stays as it is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from personaplex_ros.checkpoint.listening import has_listening_head, load_listening_head
from personaplex_ros.lm import LanguageModel
from personaplex_ros.lm.listening import NO_WORD, ListeningHead
from personaplex_ros.training.conversations.corpus import NOTHING_HEARD
from personaplex_ros.training.learning import parallel
from personaplex_ros.training.learning.loop import Batch, Trainer

NO_WORD_WEIGHT = 0.05
"""Of a frame in which no word has just ended, against one of a word."""


class ListeningTrainer(Trainer):
    """A head and the finished language model whose hidden states it reads."""

    def __init__(self, model: LanguageModel, words: Sequence[str], seed: int = 3) -> None:
        """``words`` are those of ``caller_words``, in the order of their numbers."""
        super().__init__()
        torch.manual_seed(seed)
        self.model = model.requires_grad_(False)
        self.head = ListeningHead(model.config.dim, words)

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Return the loss of a batch of ``Batches``, see ``LanguageTrainer.losses``."""
        scored = batch["scored"]
        with torch.no_grad():
            columns = batch["columns"][:, :-1]
            layers = parallel.temporal(self.model, columns, batch["positions"])
            hidden = self.model.out_norm(layers[-1])[scored]
        return {"heard": heard_loss(self.head(hidden), batch["heard"][scored])}


def known_head(folder: Path, words: Iterable[str]) -> ListeningHead | None:
    """Return a checkpoint's head where it has one for just these words."""
    if not has_listening_head(folder):
        return None
    head = load_listening_head(folder, "cpu")
    return head if head.words == tuple(words) else None


def heard_loss(logits: Tensor, heard: Tensor) -> Tensor:
    """Return how much of what callers say is not known in logits [N, 1 + words].

    ``heard`` int64 [N] has numbers of ``caller_words``, or ``NOTHING_HEARD``.
    """
    outputs = heard - NOTHING_HEARD + NO_WORD
    weight = torch.where(outputs == NO_WORD, NO_WORD_WEIGHT, 1.0)
    loss = F.cross_entropy(logits, outputs, reduction="none")
    return (loss * weight).sum() / weight.sum()
