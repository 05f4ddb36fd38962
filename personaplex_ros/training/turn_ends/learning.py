"""Trains the network on judged lines, and keeps the weights that do best on lines kept apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

from personaplex_ros.files import write_whole
from personaplex_ros.training.turn_ends.corpus import END, PAUSE, Judged
from personaplex_ros.training.turn_ends.network import Network
from personaplex_ros.turns.detection.prosody import BANDS, HOPS

BATCH, FRAMES = 16, 160  # of a batch; a longer line is cut somewhere
RATE, DECAY, DROPOUT = 4e-3, 3e-2, 0.4
SOON_S = 1.2  # silence from which on an end is hardly counted: it is plain by then
END_WEIGHT, LATE_WEIGHT = 0.5, 0.05  # of a frame, against one of a pause
TILT, GAIN, GRAIN = 0.12, 0.08, 0.06  # random changes of the bands
MELODY, PITCH, FLUTTER = 0.3, 0.2, 0.05  # and of the pitch
UNPITCHED_CHANCE = 0.1
TESTED_EVERY = 5  # passes


def learn(
    train: Sequence[Judged], kept: Sequence[Judged], passes: int, seed: int = 0
) -> tuple[Network, list[float]]:
    """Train on some lines; return the network that did best on those kept, and its losses there."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    network = Network(DROPOUT)
    optimizer = torch.optim.AdamW(network.parameters(), RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, RATE, total_steps=passes * (len(train) // BATCH)
    )
    losses: list[float] = []
    best = {name: value.clone() for name, value in network.state_dict().items()}
    for number in range(1, passes + 1):
        network.train()
        for features, over, weight in _batches(train, rng):
            logits = network(_varied(features))
            loss = F.binary_cross_entropy_with_logits(logits, over, weight, reduction="sum")
            optimizer.zero_grad()
            (loss / weight.sum()).backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
        if number % TESTED_EVERY == 0 or number == passes:
            losses.append(loss_on(network, kept))
            if losses[-1] == min(losses):
                best = {name: value.clone() for name, value in network.state_dict().items()}
    network.load_state_dict(best)
    return network.eval(), losses


def loss_on(network: Network, lines: Sequence[Judged]) -> float:
    """Return the mean loss in nats, pauses and ends counting alike."""
    network.eval()
    sums, counts = np.zeros(2), np.zeros(2)
    with torch.no_grad():
        for line in lines:
            logits = network(torch.from_numpy(line.features)[None])[0].numpy()
            for kind, sign in ((PAUSE, 1.0), (END, -1.0)):
                judged = (line.labels == kind) & (line.silence_s < SOON_S)
                sums[kind] += np.logaddexp(0.0, sign * logits[judged]).sum()
                counts[kind] += judged.sum()
    return float((sums / np.maximum(counts, 1)).mean())


def export(network: Network, path: Path, about: dict[str, str]) -> None:
    """Write the weights for `TurnEndJudge`, with what they were learnt from."""
    weights = {name: value.contiguous() for name, value in network.state_dict().items()}
    write_whole(path, lambda target: save_file(weights, target, about))


def _batches(lines: Sequence[Judged], rng: np.random.Generator) -> Iterator[list[Tensor]]:
    order = rng.permutation(len(lines))
    for first in range(0, len(order) - BATCH + 1, BATCH):
        chosen = [lines[at] for at in order[first : first + BATCH]]
        features = np.zeros((BATCH, FRAMES, chosen[0].features.shape[1]), np.float32)
        over, weight = np.zeros((2, BATCH, FRAMES), np.float32)
        for row, line in enumerate(chosen):
            begin = int(rng.integers(max(0, len(line.labels) - FRAMES) + 1))
            part = slice(begin, begin + FRAMES)
            labels = line.labels[part]
            count = len(labels)
            features[row, :count] = line.features[part]
            over[row, :count] = labels == END
            late = line.silence_s[part] >= SOON_S
            of_end = np.where(late, LATE_WEIGHT, END_WEIGHT)
            weight[row, :count] = np.where(labels == END, of_end, labels == PAUSE)
        yield [torch.from_numpy(one) for one in (features, over, weight)]


def _varied(features: Tensor) -> Tensor:
    """Return features as of other microphones and voices."""
    lines, frames, _ = features.shape
    sizes = (HOPS * BANDS, HOPS, features.shape[-1] - HOPS * (BANDS + 1))
    bands, tone, rest = features.split(sizes, -1)
    bands = bands.view(lines, frames, HOPS, BANDS)
    knots = torch.randn(lines, 1, 5) * TILT
    tilt = F.interpolate(knots, size=BANDS, mode="linear", align_corners=True)
    bands = bands + tilt[:, :, None] + torch.randn(lines, 1, 1, 1) * GAIN
    bands = bands + torch.randn_like(bands) * GRAIN
    melody, pitch = 1 + MELODY * torch.randn(lines, 1, 1), PITCH * torch.randn(lines, 1, 1)
    pitched = (torch.rand(lines, 1, 1) > UNPITCHED_CHANCE) & (tone != 0)
    tone = (tone * melody + pitch + FLUTTER * torch.randn_like(tone)) * pitched
    return torch.cat((bands.reshape(lines, frames, -1), tone, rest), -1)
