"""Python and processor."""

from __future__ import annotations

import os
import platform
import sys

from personaplex_ros.doctor.finding import Finding, Setup, Status

OLDEST, NEWEST = (3, 10), (3, 14)  # Humble to Lyrical
FEWEST_CORES = 2  # the model's thread and everything else


def check(setup: Setup) -> list[Finding]:
    """Judge the interpreter and the cores that this process may use."""
    cores = len(os.sched_getaffinity(0))
    return [python(sys.version_info[:3]), processor(cores, platform.machine())]


def python(version: tuple[int, ...]) -> Finding:
    """Judge a Python version."""
    found = f"{'.'.join(map(str, version))} ({platform.python_implementation()})"
    if OLDEST <= version[:2] <= NEWEST:
        return Finding("Python", Status.OK, found)
    remedy = "use Python 3.10 to 3.14, those of ROS 2 Humble to Lyrical"
    if version[:2] < OLDEST:
        return Finding("Python", Status.FAIL, found, remedy)
    return Finding("Python", Status.WARN, f"{found}, with which nothing was tried", remedy)


def processor(cores: int, architecture: str) -> Finding:
    """Judge a number of cores."""
    found = f"{cores} {architecture} core{'s' * (cores != 1)} for this process"
    values = {"cores": cores}
    if cores >= FEWEST_CORES:
        return Finding("Processor", Status.OK, found, values=values)
    remedy = "the model's thread and the audio threads will wait for each other; give it 2 cores"
    return Finding("Processor", Status.WARN, found, remedy, values=values)
