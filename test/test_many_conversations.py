"""Resets and changes of persona without end: memory stays flat, and the robot still talks."""

from __future__ import annotations

import gc
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from node_support import FRAME, MemoryBus, Robot
from reference import LM, write_checkpoint

from personaplex_ros.children import worker_pool
from personaplex_ros.engine import Engine
from personaplex_ros.node.conversation import Conversation
from personaplex_ros.node.parameters.table import Parameters

TINY = replace(
    LM, layers=1, audio_rows=2, depth_steps=1, depth_layers=1, delays=(0, 0, 0), silence_codes=(9,),
    sine_codes=(43,),
)  # fmt: skip
NAMES = ("Ann", "Ben", "Eve", "Kim", "Leo", "Mia", "Ned", "Pia", "Sam", "Tom")
"""More than the engine keeps prepared."""


def switch(one: Robot, times: int) -> None:
    """Begin anew so many times, every other time as somebody else."""
    for number in range(times):
        if number % 2:
            done = one.bus.call("~/reset")
        else:
            text = f"Your name is {NAMES[number // 2 % len(NAMES)]}."
            done = one.bus.call("~/set_persona", persona="", text_prompt=text, voice="")
        assert done.success, done.message
        if number % 10 == 0:
            one.hear(1)
            one.bus.diagnostics()
            for messages in one.bus.topics.values():  # the test's bus keeps all
                del messages[:-1]


def memory_mib() -> float:
    gc.collect()
    return float(psutil.Process().memory_info().rss / 2**20)


@pytest.mark.parametrize(
    ("settle", "times", "growth_mib"),
    [(30, 90, 6.0), pytest.param(1000, 10_000, 6.0, marks=pytest.mark.long)],
    ids=["120", "11000"],
)
def test_resets_and_changes_of_persona_leave_nothing_behind(
    settle: int, times: int, growth_mib: float, tmp_path: Path
) -> None:
    # In a process of its own: what tests before it left to be freed would be counted with it.
    with worker_pool(1) as pool:
        assert pool.apply(growth_of, (settle, times, tmp_path)) < growth_mib


def growth_of(settle: int, times: int, folder: Path) -> float:
    """Return by how many MiB a robot grows that begins anew so many times, and hear it talk."""
    checkpoint = write_checkpoint(folder / "tiny", TINY)
    somebody = folder / "somebody.yaml"
    somebody.write_text("text_prompt: You are kind.\n")
    bus = MemoryBus()
    parameters = Parameters.of({"late_audio_timeout_s": 2.0, "persona": str(somebody)})
    conversation = Conversation(bus, parameters, lambda _: Engine.load(checkpoint, device="cpu"))
    try:
        conversation.configure()
        conversation.activate()
        one = Robot(bus, None, conversation)  # type: ignore[arg-type]
        switch(one, settle)
        before = memory_mib()
        switch(one, times)
        growth = memory_mib() - before
        one.hear(20)
        assert any(message.data.any() for message in bus.topics["audio_out"][-20:])
        assert all(len(message.data) == FRAME for message in bus.topics["audio_out"][-20:])
        assert bus.diagnostics()["conversation"].values["faults"] == "0"
    finally:
        conversation.shutdown()
    return growth
