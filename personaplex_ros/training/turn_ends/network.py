"""The network that is trained; `TurnEndJudge` runs the same in numpy."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from personaplex_ros.turns.judges.turn_end import FEATURES

INPUT, HIDDEN = 48, 64


class Network(nn.Module):
    """A layer for each frame, a recurrent layer over frames, a logit of the end."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.inner = nn.Linear(FEATURES, INPUT)
        self.memory = nn.GRU(INPUT, HIDDEN, batch_first=True)
        self.verdict = nn.Linear(HIDDEN, 1)
        self.dropout = dropout

    def forward(self, features: Tensor) -> Tensor:
        """Return logits [B, T] for features [B, T, FEATURES]."""
        seen = F.dropout(F.relu(self.inner(features)), self.dropout, self.training)
        remembered = F.dropout(self.memory(seen)[0], self.dropout, self.training)
        return self.verdict(remembered)[..., 0]
