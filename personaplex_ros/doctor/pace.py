"""Whether it keeps up: the time of a frame against the time that a frame lasts.

A small checkpoint is run, by the engine itself; of a large one the parts are measured, as many
threads sharing them as in the engine.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import psutil
import torch

from personaplex_ros.doctor.accelerator import chosen_dtype, usable_device
from personaplex_ros.doctor.finding import Finding, Setup, Status
from personaplex_ros.doctor.memory import described
from personaplex_ros.doctor.sizes import measure
from personaplex_ros.doctor.sizes.chosen import Chosen, chosen_model
from personaplex_ros.doctor.sizes.cost import cost, cost_in
from personaplex_ros.doctor.sizes.frames import MeasuredFrames, measured_frames
from personaplex_ros.units import milliseconds, readable

RESERVE = 0.7  # of a frame's time; the rest is for what lies between the parts, and for jitter


@dataclass(frozen=True)
class FrameTime:
    """Seconds of a frame's parts."""

    temporal: float
    depth: float
    text: float
    codec: float

    @property
    def total(self) -> float:
        """Seconds of the whole frame."""
        return self.temporal + self.depth + self.text + self.codec


def check(setup: Setup) -> list[Finding]:
    """Measure the bandwidth and the model's parts, and judge."""
    device = usable_device(setup.device)
    if device is None:
        return []  # said by the device's own line
    chosen, dtype = chosen_model(setup.checkpoint), chosen_dtype(device)
    speed = measure.bandwidth(device, dtype)
    bound = bound_by_memory(chosen, dtype, speed)
    period = 1 / chosen.sizes.codec.frame_rate
    frames = measured_frames(setup.checkpoint, device)
    if frames is not None:
        return [bound, judge_frames(frames, period, chosen.name)]
    time = frame_time(chosen, device, dtype)
    return [bound, judge(time, period, described(chosen, dtype))]


def frame_time(chosen: Chosen, device: torch.device, dtype: torch.dtype) -> FrameTime:
    """Measure one of each part and multiply by how many of them a frame takes."""
    lm, codec = chosen.sizes.lm, chosen.sizes.codec
    return FrameTime(
        lm.layers * measure.temporal_layer(lm, device, dtype),
        lm.codebooks * measure.depth_step(lm, device, dtype),
        measure.text_head(lm, device, dtype),
        measure.codec_frame(codec, lm.codebooks, device),
    )


def bound_by_memory(chosen: Chosen, dtype: torch.dtype, speed: float) -> Finding:
    """Say what a frame reads, and so the least time that it can take."""
    lm, codec = chosen.sizes.lm, chosen.sizes.codec
    now, byte = cost_in(lm, codec, dtype), cost(lm, codec, 1, 2)
    least, most = now.frame(0), now.frame(now.context)
    found = (
        f"{speed / 1e9:,.0f} GB/s measured. A frame reads {readable(least)} to {readable(most)}, "
        f"so it takes at least {milliseconds(least / speed)} to {milliseconds(most / speed)} ms; "
        f"with 8-bit weights it would read {readable(byte.frame(0))} to "
        f"{readable(byte.frame(byte.context))}"
    )
    values = {
        "bandwidth": speed,
        "frame_bytes_empty": least,
        "frame_bytes_full": most,
    }
    return Finding("Bandwidth", Status.OK, found, values=values)


def judge(time: FrameTime, period: float, model: str) -> Finding:
    """Judge the expected seconds of a frame against the seconds that it lasts."""
    parts = {"temporal": time.temporal, "depth": time.depth, "text": time.text, "codec": time.codec}
    return _judge(time.total, time.total, period, f"expected for {model}", parts)


def judge_frames(frames: MeasuredFrames, period: float, model: str) -> Finding:
    """Judge the seconds of frames that were run against the seconds that a frame lasts."""
    how = f"measured with {model}, 99 of 100 under {milliseconds(frames.p99)} ms"
    return _judge(frames.median, frames.p99, period, how, frames.parts)


def _judge(
    typical: float, slow: float, period: float, how: str, parts: dict[str, float]
) -> Finding:
    rate = period / typical
    values = {"frame_seconds": typical, "frame_seconds_p99": slow, "period_seconds": period}
    each = ", ".join(f"{name} {milliseconds(seconds)}" for name, seconds in parts.items())
    taken = f"{milliseconds(typical)} of {milliseconds(period)} ms a frame, {how} ({each})"
    taken += _load()
    if typical <= RESERVE * period and slow <= period:
        found = f"it keeps up, {rate:.1f} x real time: {taken}"
        return Finding("Pace", Status.OK, found, values=values)
    if typical <= period:
        found = f"it keeps up with little reserve, {rate:.1f} x real time: {taken}"
        remedy = "expect late frames under load; leave the machine to the model"
        return Finding("Pace", Status.WARN, found, remedy, values=values)
    found = f"it will not keep up, {rate:.2g} x real time: {taken}"
    remedy = "recordings work (personaplex offline); to talk, take a GPU or a smaller checkpoint"
    return Finding("Pace", Status.FAIL, found, remedy, values=values)


def _load() -> str:
    """Say that other programs are at work, since they make frames slower."""
    load, cores = psutil.getloadavg()[0], os.cpu_count() or 1
    if load <= cores:
        return ""
    return f"; the machine is busy now: a load of {load:.1f} on {cores} cores"
