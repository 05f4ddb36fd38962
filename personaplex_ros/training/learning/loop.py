"""The loop that both models are trained by: it can be stopped at any step and resumed."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
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

    @property
    def repeats_itself(self) -> bool:
        """Whether all steps from now on do the same operations, whatever is in the batch."""
        return False


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
    """One training: trainer, optimiser and how far it is.

    On a GPU a step that repeats itself is recorded once and then replayed, since launching its
    thousands of small kernels takes longer than running them.
    """

    def __init__(self, trainer: Trainer, schedule: Schedule):
        self.trainer, self.schedule, self.step = trainer, schedule, 0
        device = next(trainer.parameters()).device
        self._rate = torch.zeros((), device=device)
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None
        self._recorded: RecordedStep | None = None
        self._names: tuple[str, ...] = ()  # of what ``_take`` returns
        self.optimiser = torch.optim.AdamW(
            [parameter for parameter in trainer.parameters() if parameter.requires_grad],
            lr=self._rate,
            betas=(0.9, 0.98),
            weight_decay=schedule.weight_decay,
            fused=True,
            capturable=device.type == "cuda",
        )

    def advance(self, batches: Iterator[Batch], steps: int) -> dict[str, float]:
        """Train ``steps`` steps on the next batches, see ``drawn``; return mean losses."""
        self.trainer.train()
        total = torch.zeros_like(self._rate)
        # A step can be recorded only where it has run before, which is not the default stream.
        with torch.cuda.stream(self._stream):
            for _ in range(steps):
                total = total + self._advance_one(next(batches))
            means = (total / steps).tolist()
        return dict(zip(self._names, means, strict=True))

    def _advance_one(self, batch: Batch) -> Tensor:
        torch.manual_seed(self.step)  # a resumed training draws what one in a piece does
        self._rate.fill_(self.schedule.learning_rate(self.step))
        self.trainer.begin_step(self.step)
        self.step += 1
        has_run = bool(self._names)  # the optimiser's state is made in the first step only
        if self._stream and has_run and self.trainer.repeats_itself and not self._recorded:
            self._recorded = RecordedStep(self._take, batch, self._stream)
        return self._recorded(batch) if self._recorded else self._take(batch)

    def _take(self, batch: Batch) -> Tensor:
        """Learn from a batch; return its losses and the norm of their gradient as one vector."""
        losses = self.trainer.losses(batch)
        self.optimiser.zero_grad(set_to_none=True)
        values = torch.stack(list(losses.values()))
        values.sum().backward()
        norm = nn.utils.clip_grad_norm_(self.trainer.parameters(), self.schedule.clip)
        self.optimiser.step()
        self._names = (*losses, "gradient")
        return torch.cat([values.detach(), norm.view(1)])

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
        for group in self.optimiser.param_groups:  # of this device, whichever it was saved on
            group.update(lr=self._rate, capturable=self._rate.is_cuda)
        self._recorded = None
        self.step = state["step"]


class RecordedStep:
    """A training step as one CUDA graph, which takes any batch of the shapes it was recorded with.

    Source: PyTorch's notes on CUDA graphs, whole-network capture.
    """

    def __init__(self, take: Callable[[Batch], Tensor], batch: Batch, stream: torch.cuda.Stream):
        """Record what ``take`` does to a batch, which is not done yet."""
        self._batch = {name: tensor.clone() for name, tensor in batch.items()}
        self._graph = torch.cuda.CUDAGraph()
        # Other threads, such as the one that pins batches, may use the GPU meanwhile.
        with torch.cuda.graph(self._graph, stream=stream, capture_error_mode="thread_local"):
            self._result = take(self._batch)

    def __call__(self, batch: Batch) -> Tensor:
        """Take the step; what is returned is overwritten by the next."""
        for name, tensor in batch.items():
            self._batch[name].copy_(tensor, non_blocking=True)
        self._graph.replay()
        return self._result
