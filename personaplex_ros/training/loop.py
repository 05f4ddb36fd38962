"""The loop that both models are trained by: it can be stopped at any step and resumed."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from personaplex_ros.files import write_whole

Batch = dict[str, Tensor]


@dataclass(frozen=True)
class Schedule:
    """How long to train and how fast to learn; ``rate`` is the peak learning rate of AdamW."""

    steps: int
    rate: float
    warmup: int = 200
    clip: float = 1.0  # largest norm of the gradient
    weight_decay: float = 0.02

    def learning_rate(self, step: int) -> float:
        """Return a step's rate: linear warm-up, then half a cosine down to 2 % of the peak."""
        warm = min(1.0, (step + 1) / self.warmup)
        done = min(1.0, step / self.steps)
        return self.rate * warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done)))


class Trainer(nn.Module, ABC):
    """A model with its losses."""

    @abstractmethod
    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Return the weighted losses of a batch; their sum is what is minimised."""

    def begin_step(self, step: int) -> None:
        """Take note of the step that begins."""


@dataclass(frozen=True)
class _Draws(Dataset[Batch]):
    draw: Callable[[int], Batch]

    def __getitem__(self, step: int) -> Batch:
        return self.draw(step)


def drawn(
    draw: Callable[[int], Batch], steps: range, device: torch.device, processes: int = 0
) -> Iterator[Batch]:
    """Yield the batches of steps on a device, drawn ahead by other processes if there are any."""
    loader = DataLoader(
        _Draws(draw),
        sampler=steps,
        batch_size=None,
        num_workers=processes,
        pin_memory=device.type == "cuda",
    )
    for batch in loader:
        yield {name: tensor.to(device, non_blocking=True) for name, tensor in batch.items()}


class Run:
    """One training: trainer, optimiser and how far it is."""

    def __init__(self, trainer: Trainer, schedule: Schedule):
        self.trainer, self.schedule, self.step = trainer, schedule, 0
        self.optimiser = torch.optim.AdamW(
            [parameter for parameter in trainer.parameters() if parameter.requires_grad],
            betas=(0.9, 0.98),
            weight_decay=schedule.weight_decay,
            fused=True,
        )

    def advance(self, batches: Iterator[Batch], steps: int) -> dict[str, float]:
        """Train ``steps`` steps on the next batches, see ``drawn``; return mean losses."""
        trainer, schedule = self.trainer.train(), self.schedule
        device = next(trainer.parameters()).device
        sums: dict[str, Tensor] = defaultdict(lambda: torch.zeros((), device=device))
        for _ in range(steps):
            for group in self.optimiser.param_groups:
                group["lr"] = schedule.learning_rate(self.step)
            torch.manual_seed(self.step)  # a resumed training draws what one in a piece does
            trainer.begin_step(self.step)
            losses = trainer.losses(next(batches))
            self.optimiser.zero_grad(set_to_none=True)
            torch.stack(list(losses.values())).sum().backward()
            norm = nn.utils.clip_grad_norm_(trainer.parameters(), schedule.clip)
            self.optimiser.step()
            self.step += 1
            for name, loss in {**losses, "gradient": norm}.items():
                sums[name] = sums[name] + loss.detach()
        return {name: (total / steps).item() for name, total in sums.items()}

    def save(self, path: Path) -> None:
        """Write everything that resuming needs."""
        state = {
            "trainer": self.trainer.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
        }
        write_whole(path, lambda place: torch.save(state, place))

    def resume(self, path: Path) -> None:
        """Go on from what was saved."""
        state = torch.load(path, map_location="cpu", weights_only=True)
        self.trainer.load_state_dict(state["trainer"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step = state["step"]
