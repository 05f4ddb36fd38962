"""Whether the model fits: what is free on the device against what one conversation holds."""

from __future__ import annotations

from dataclasses import replace

import psutil
import torch

from personaplex_ros.doctor.accelerator import chosen_dtype, usable_device
from personaplex_ros.doctor.finding import Finding, Setup, Status
from personaplex_ros.doctor.sizes.chosen import Chosen, chosen_model
from personaplex_ros.doctor.sizes.cost import Cost, cost, cost_in
from personaplex_ros.units import readable

SUBJECT = "Memory"
GPU_GB = (8, 12, 16, 24, 32, 40, 48, 80, 96, 141)  # as they are sold


def check(setup: Setup) -> list[Finding]:
    """Compare the device's memory with the model's needs in the type it would run in."""
    device = usable_device(setup.device)
    if device is None:
        return []  # said by the device's own line
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
    else:
        memory = psutil.virtual_memory()
        free, total = memory.available, memory.total
    chosen, dtype = chosen_model(setup.checkpoint), chosen_dtype(device)
    sizes = chosen.sizes
    needed = cost_in(sizes.lm, sizes.codec, dtype)
    finding = judge(needed, free, total, described(chosen, dtype))
    byte = cost(sizes.lm, sizes.codec, 1, 2)
    if device.type == "cuda" and finding.status is Status.FAIL and byte.held <= free:
        remedy = f"take 8-bit weights (weights int8), which hold {readable(byte.held)}"
        finding = replace(finding, remedy=remedy)
    return [finding, other_types(chosen)]


def judge(needed: Cost, free: int, total: int, model: str) -> Finding:
    """Judge the bytes that are free and in all against what a model holds."""
    found = (
        f"{readable(free)} of {readable(total)} free; {model} holds {readable(needed.held)}: "
        f"weights {readable(needed.weights)}, keys and values {readable(needed.cache)}, "
        f"codec {readable(needed.codec)}, working space {readable(needed.working)}"
    )
    values = {"free_bytes": free, "total_bytes": total, "needed_bytes": needed.held}
    if needed.held <= free:
        return Finding(SUBJECT, Status.OK, found, values=values)
    remedy = "take a smaller checkpoint or a device with more memory"
    if needed.held <= total:
        remedy = "end other programs that use this memory, or " + remedy
    return Finding(SUBJECT, Status.FAIL, found, remedy, values=values)


def other_types(chosen: Chosen) -> Finding:
    """Say what bfloat16 and 8-bit weights hold, and for which GPU that is, for information."""
    lm, codec = chosen.sizes.lm, chosen.sizes.codec
    half, byte = cost(lm, codec, 2, 2), cost(lm, codec, 1, 2)
    found = (
        f"on a GPU bfloat16 weights hold {readable(half.held)} ({smallest_gpu(half.held)}), "
        f"8-bit weights {readable(byte.held)} ({smallest_gpu(byte.held)})"
    )
    values = {"bfloat16_bytes": half.held, "int8_bytes": byte.held}
    return Finding("Other types", Status.OK, found, values=values)


def smallest_gpu(needed: int) -> str:
    """Name the smallest usual GPU that holds so many bytes and keeps a tenth free."""
    size = next((size for size in GPU_GB if 0.9e9 * size >= needed), None)
    return f"a GPU of {size} GB" if size else "no single GPU"


def described(chosen: Chosen, dtype: torch.dtype) -> str:
    """Name the model and its type."""
    return f"{chosen.name} in {str(dtype).removeprefix('torch.')}"
