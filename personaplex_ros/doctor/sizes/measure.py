"""Short measurements on the device: its bandwidth, and the model's own parts at their sizes.

The parts are built with constant weights: how long they take does not depend on the values.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import nn

from personaplex_ros.conversing import Sampling
from personaplex_ros.engine.packing import pack
from personaplex_ros.lm import LMConfig
from personaplex_ros.lm.depth import DepthTransformer
from personaplex_ros.lm.sampling import Draw, Sampler, choose
from personaplex_ros.lm.temporal import TemporalLayer, ring_spec
from personaplex_ros.mimi import Mimi, MimiConfig
from personaplex_ros.nn.attention import RingView
from personaplex_ros.nn.denormals import flush_denormals

Module = TypeVar("Module", bound=nn.Module)

MATRIX = 1 << 29  # bytes; larger than the caches of present processors and GPUs
WIDTH = 4096
PATIENCE_S = 0.4  # of one measurement
FEWEST = 3  # batches of one measurement
BATCH = 4  # calls between two looks at the clock, so that a GPU is kept busy


def bandwidth(device: torch.device, dtype: torch.dtype) -> float:
    """Return bytes a second of a matrix-vector product whose matrix exceeds every cache."""
    rows = MATRIX // (WIDTH * dtype.itemsize)
    matrix = torch.full((rows, WIDTH), 0.01, device=device, dtype=dtype)
    vector = torch.ones(WIDTH, device=device, dtype=dtype)
    return MATRIX / seconds(lambda: torch.mv(matrix, vector), device)


def temporal_layer(config: LMConfig, device: torch.device, dtype: torch.dtype) -> float:
    """Return the seconds of one temporal layer for one frame, with the context full."""
    layer = constant(TemporalLayer(config, device, dtype))
    cache = layer.self_attn.initial_cache(1)
    position = torch.tensor([config.context], device=device)
    view = RingView.at(position, 1, ring_spec(config), config.context, even=True)
    x = torch.ones(1, 1, config.dim, device=device, dtype=dtype)
    return seconds(lambda: layer(x, cache, view), device)


def depth_step(config: LMConfig, device: torch.device, dtype: torch.dtype) -> float:
    """Return the seconds of one depth step: input, all layers, logits, and the choice of a code."""
    single = config.with_depth_steps(1)
    into = _linear(config.dim, config.depth_dim, device, dtype)
    depth = constant(DepthTransformer(single, device, dtype))
    out = _linear(config.depth_dim, config.cardinality, device, dtype)
    past = depth.initial_past(1)
    x = torch.ones(1, config.dim, device=device, dtype=dtype)
    draw = _draw(config.cardinality, device)
    return seconds(lambda: choose(out(depth(into(x), 0, past)), draw, 0), device)


def text_head(config: LMConfig, device: torch.device, dtype: torch.dtype) -> float:
    """Return the seconds of the text logits and the choice of a piece."""
    head = _linear(config.dim, config.text_cardinality, device, dtype)
    x = torch.ones(1, config.dim, device=device, dtype=dtype)
    draw = _draw(config.text_cardinality, device)
    return seconds(lambda: choose(head(x), draw, 0), device)


def codec_frame(config: MimiConfig, codebooks: int, device: torch.device) -> float:
    """Return the seconds to encode one frame and decode one."""
    codec = constant(Mimi(config, device))
    codec.quantizer.derive()
    if device.type == "cpu":  # as the engine does
        pack(codec, "float32")
    hearing, speaking = codec.encoder_state(1), codec.decoder_state(1)
    wave = torch.zeros(1, 1, config.frame_size, device=device)

    def frame() -> None:
        codec.decode(codec.encode(wave, hearing, codebooks), speaking)

    return seconds(frame, device)


def constant(module: Module) -> Module:
    """Fill all weights with a small number; memory that nobody wrote may hold anything."""
    for tensor in module.state_dict().values():
        tensor.fill_(0.01)
    return module.eval().requires_grad_(False)


@torch.inference_mode()
def seconds(call: Callable[[], object], device: torch.device) -> float:
    """Return the seconds of a call at its fastest: what else runs here can only add to it."""
    flush_denormals()

    def batch() -> float:
        start = time.perf_counter()
        for _ in range(BATCH):
            call()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return (time.perf_counter() - start) / BATCH

    batch()
    end = time.perf_counter() + PATIENCE_S
    times = [batch() for _ in range(FEWEST)]
    while time.perf_counter() < end:
        times.append(batch())
    return min(times)


def _linear(width_in: int, width_out: int, device: torch.device, dtype: torch.dtype) -> nn.Linear:
    return constant(nn.Linear(width_in, width_out, bias=False, device=device, dtype=dtype))


def _draw(vocabulary: int, device: torch.device) -> Draw:
    sampler = Sampler(1, 1, (vocabulary, vocabulary), device)
    sampler.start(0, Sampling(), seed=0)
    return sampler.audio
