"""Loading keeps no second copy of the weights in memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from reference import ROOT

pytestmark = pytest.mark.alone

MIB = 1 << 20
FIXED = 64 * MIB

COMMON = """
import gc, json, sys
from pathlib import Path
import torch
from reference import LM, config_json
from personaplex_ros.checkpoint import load_language_model
from personaplex_ros.lm import LanguageModel
import dataclasses
torch.set_num_threads(1)
path = Path(sys.argv[1])
config = dataclasses.replace(LM, dim=1024, heads=16, layers=16, hidden=4864, depth_steps=8)
"""

# Weights as the published file has them: bfloat16, some float32. Each layer has its own number.
WRITE = """
from safetensors.torch import save_file
model = LanguageModel(config).requires_grad_(False)
for layer, module in enumerate(model.transformer.layers):
    for parameter in module.parameters():
        parameter.fill_(layer + 1)
save_file(model.state_dict(), path)
"""

LOAD = """
def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))

torch.ones(512, 512).bfloat16() @ torch.ones(512, 512).bfloat16()
before = peak()
model = load_language_model(path, config_json(config), "cpu", torch.bfloat16)
# A file that is mapped into memory takes none before it is read: read all of it, by small parts.
for layer, module in enumerate(model.transformer.layers):
    for parameter in module.parameters():
        for part in parameter.flatten().split(1 << 18):
            assert (part == layer + 1).all()
gc.collect()
print(json.dumps({"size": path.stat().st_size, "peak": peak() - before}))
"""


def run(program: str, path: Path) -> str:
    start = f"import sys; sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / 'test')!r}]\n"
    command = [sys.executable, "-c", start + COMMON + program, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc to read the peak from")
def test_the_peak_of_loading_is_little_more_than_the_file(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    run(WRITE, path)
    found = json.loads(run(LOAD, path))
    path.unlink()
    print({name: f"{value / MIB:.0f} MiB" for name, value in found.items()})
    assert found["size"] > 570 * MIB
    assert 0.9 * found["size"] < found["peak"] < 1.25 * found["size"] + FIXED
