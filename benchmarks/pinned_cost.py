"""What keeping the persona's prompt in reach costs a frame, at the published model's width.

usage: python benchmarks/pinned_cost.py [--layers 4] [--sessions 1] [--prompt 300] [--steps 40]

A temporal transformer of random weights with its ring full takes steps with the prompt's columns
pinned and with nothing pinned in turn, so that what else the machine does falls on both. Of the 32
layers so few take part that they fit into any memory; times are those of the processor.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace

import numpy as np
import torch
from random_models import fill

from personaplex_ros.lm import LanguageModel, LMConfig
from personaplex_ros.nn.denormals import flush_denormals


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--sessions", type=int, default=1)
    parser.add_argument("--prompt", type=int, default=300, help="columns")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    flush_denormals()
    config = replace(LMConfig(), layers=arguments.layers, depth_steps=8, depth_layers=1)
    lm = LanguageModel(config, "meta", torch.float32).to_empty(device="cpu")
    fill(lm, torch.Generator().manual_seed(0))
    lm.eval().requires_grad_(False)
    state = lm.initial_state(arguments.sessions, pinning=True)
    assert state.pinned is not None
    for cache in state.caches:
        cache.keys.normal_()
        cache.values.normal_()
    state.position.fill_(2 * config.context)
    state.columns[:] = [2 * config.context] * arguments.sessions
    user = torch.zeros(arguments.sessions, config.codebooks, dtype=torch.int64)
    times: dict[int, list[float]] = {0: [], arguments.prompt: []}
    shape = lm.grid_shape()
    with torch.inference_mode():
        for step in range(2 * arguments.steps + 4):
            pinned = (0, arguments.prompt)[step % 2]
            state.pinned.fill_(pinned)
            state.pins[:] = [pinned] * arguments.sessions
            started = time.process_time()
            lm.temporal_step(state, user, shape, even=True)
            if step >= 4:
                times[pinned].append(time.process_time() - started)
    print(f"{arguments.layers} layers, {arguments.sessions} sessions, {config.context - 1} columns")
    for name, statistic in (("median", np.median), ("least", np.min)):
        roll, pin = (1e3 * float(statistic(some)) for some in times.values())
        print(f"{name}: roll {roll:.1f} ms, pin {pin:.1f} ms, {100 * (pin / roll - 1):+.1f} %")


if __name__ == "__main__":
    main()
