"""What to do about errors of a device, whose own words do not say so; knows torch's by name."""

from __future__ import annotations

_REMEDIES = {
    "OutOfMemoryError": "the device has no memory left: end other programs on it, serve fewer "
    "robots, or store `weights` in 8 bits",
    "MemoryError": "this machine has no memory left: end other programs, or take a smaller model",
    "AcceleratorError": "the GPU is lost to this process: end it and start it again, as "
    "respawn:=true of the launch file does",
}


def described(error: BaseException) -> str:
    """Return an error in one line: its kind, what it says, and the remedy where one is known."""
    said = str(error).strip().partition("\n")[0].rstrip(".;")
    name = type(error).__name__
    remedy = _REMEDIES.get(name, "")
    return f"{name}: {said}" + (f"; {remedy}" if remedy else "")


def with_remedy(error: BaseException) -> str:
    """Return what an error says, or its kind if nothing; both and the remedy where one is known."""
    name = type(error).__name__
    return described(error) if name in _REMEDIES else str(error) or name
