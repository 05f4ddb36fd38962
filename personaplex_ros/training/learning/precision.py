"""Products of matrices in bfloat16, where a processor has instructions for them."""

from __future__ import annotations

import functools

import torch


def half_products(device: torch.device) -> torch.autocast:
    """Return a context in which linear layers multiply in bfloat16 if that is faster on a device.

    Sums and everything else stay float32. A processor without such products only emulates them,
    and a GPU is quick with float32 as it is: there the context does nothing.
    """
    enabled = device.type == "cpu" and _has_products()
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled)


@functools.cache
def _has_products() -> bool:
    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))
