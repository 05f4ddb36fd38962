"""Trainings followed to their end, with a state to resume from, a log and a progress bar."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from tqdm import tqdm

from personaplex_ros.training.learning.curves import add_to_log
from personaplex_ros.training.learning.loop import Batch, Run, drawn

REPORT_STEPS, SAVE_STEPS = 50, 250


@contextmanager
def beside_another() -> Iterator[None]:
    """Leave one core of a training's to another process: threads that have to wait spin."""
    threads = torch.get_num_threads()
    torch.set_num_threads(max(1, threads - 1))
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def follow(
    run: Run, draw: Callable[[int], Batch], path: Path, processes: int | None = None
) -> None:
    """Train to the schedule's end, with state and log at ``path``.

    Batches are drawn in so many other ``processes``; None means as many as a GPU needs.
    """
    state, log = path.with_suffix(".pt"), path.with_suffix(".jsonl")
    if state.is_file():
        run.resume(state)
    total = run.schedule.steps
    device = next(run.trainer.parameters()).device
    # A GPU is not to wait for batches; two cores have nothing to spare.
    if processes is None:
        processes = 0 if device.type == "cpu" else max(1, (os.cpu_count() or 1) - 1)
    batches = drawn(draw, range(run.step, total), device, processes)
    with tqdm(total=total, initial=run.step, unit="step") as bar:
        while run.step < total:
            losses = run.advance(batches, min(REPORT_STEPS, total - run.step))
            add_to_log(log, run.step, losses)
            bar.update(run.step - bar.n)
            bar.set_postfix({name: f"{value:.3g}" for name, value in losses.items()})
            if run.step % SAVE_STEPS == 0 or run.step == total:
                run.save(state)
