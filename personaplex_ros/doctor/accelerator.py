"""torch, its CUDA build and the device that the model would run on."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch

from personaplex_ros.doctor.finding import Finding, Setup, Status
from personaplex_ros.engine.loading import DEVICES, choose_device

DRIVER = Path("/proc/driver/nvidia/version")
NATIVE_BFLOAT16 = (8, 0)  # compute capability from which bfloat16 is native (Ampere)
INSTALL = "pip install torch --index-url https://download.pytorch.org/whl/cu128"


def usable_device(name: str) -> torch.device | None:
    """Return the device as the engine takes it (``auto`` is CUDA where there is one), or None."""
    try:
        return choose_device(name)
    except ValueError:
        return None


def chosen_dtype(device: torch.device) -> torch.dtype:
    """Return the language model's type on a device, as the engine takes it."""
    return torch.bfloat16 if device.type == "cuda" else torch.float32


def check(setup: Setup) -> list[Finding]:
    """Say which torch there is and judge the device."""
    build = f"CUDA {torch.version.cuda}" if torch.version.cuda else "without CUDA"
    findings = [Finding("torch", Status.OK, f"{torch.__version__} ({build})")]
    device = usable_device(setup.device)
    if device is None:
        text = f"{setup.device!r} is not a device that torch can use here"
        return [*findings, Finding("Device", Status.FAIL, text, *_why(setup.device))]
    if device.type != "cuda":
        text = f"{device.type}, {torch.get_num_threads()} threads"
        if gpu_present():
            text += "; there is an NVIDIA GPU that torch does not use"
            return [*findings, Finding("Device", Status.WARN, text, *_why("cuda"))]
        return [*findings, Finding("Device", Status.OK, text)]
    capability = torch.cuda.get_device_capability(device)
    text = (
        f"{torch.cuda.get_device_name(device)} ({device}, compute {'.'.join(map(str, capability))})"
    )
    if capability < NATIVE_BFLOAT16:
        remedy = "it has no native bfloat16: take --dtype float16"
        return [*findings, Finding("Device", Status.WARN, text, remedy)]
    return [*findings, Finding("Device", Status.OK, text)]


def gpu_present() -> bool:
    """Tell whether this machine has an NVIDIA driver, whatever torch says."""
    return DRIVER.exists() or shutil.which("nvidia-smi") is not None


def _why(name: str) -> tuple[str, str]:
    """Return what to do about a device that cannot be used, as remedy and command."""
    if not name.startswith("cuda"):
        return f"devices are {DEVICES}", ""
    if torch.cuda.is_available():
        return f"devices are cuda:0 to cuda:{torch.cuda.device_count() - 1}, and cpu", ""
    if not gpu_present():
        return "no NVIDIA driver was found; install one, or take --device cpu", ""
    if not torch.version.cuda:
        return "this torch was built without CUDA; install one with it:", INSTALL
    return "the driver does not serve this torch; see what it says:", "nvidia-smi"
