"""A device without memory, lost, or slow, in a model that fails as torch does."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from node_support import FRAME, robot, talks

from personaplex_ros.cli import main
from personaplex_ros.engine import Engine
from personaplex_ros.node.lifecycle import Lifecycle

pytestmark = pytest.mark.alone

FULL = torch.OutOfMemoryError(
    "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79 GiB.\n"
    "If reserved but unallocated memory is large try ..."
)
LOST = torch.AcceleratorError(
    "CUDA error: unspecified launch failure\nCUDA kernel errors might be asynchronously reported"
)


def failing(error: BaseException) -> Any:
    def fail(*_: Any, **__: Any) -> Any:
        raise error

    return fail


def test_a_device_that_is_full_when_the_model_is_loaded_is_told_and_can_be_tried_again() -> None:
    with robot(activate=False) as one:
        lifecycle = Lifecycle(one.bus, one.conversation)
        load = one.conversation._load_engine
        one.conversation._load_engine = failing(FULL)
        assert not lifecycle.change("configure")
        line = one.bus.wait_for_log("configure failed: OutOfMemoryError: CUDA out of memory")
        assert "\n" not in line and line.endswith("store `weights` in 8 bits")
        assert lifecycle.state == "unconfigured"
        one.conversation._load_engine = load
        assert lifecycle.change("configure") and lifecycle.change("activate")
        assert talks(one)


def test_a_device_that_is_full_in_a_frame_begins_the_conversation_anew() -> None:
    with robot() as one:
        one.session.before_push = lambda step: failing(FULL)() if step == 2 else None
        one.hear(2)
        one.send(one.audio(np.full(FRAME, 9)))
        one.bus.wait_for_log("began a new conversation (restart 1 of 3)")
        assert "serve fewer robots" in one.bus.diagnostics()["conversation"].message
        one.session.before_push = lambda step: None
        assert talks(one)


def test_a_device_that_is_full_for_another_persona_leaves_this_one_alone() -> None:
    with robot() as one:
        one.engine.before_prepare = failing(FULL)
        answer = one.bus.call("~/set_persona", persona="", text_prompt="Be kind.", voice="")
        assert not answer.success and answer.message.startswith("OutOfMemoryError: CUDA out of")
        assert talks(one)


def test_a_lost_gpu_is_told_with_the_only_remedy() -> None:
    with robot() as one:
        one.session.before_push = failing(LOST)
        one.session.restart = failing(LOST)  # type: ignore[method-assign]
        one.send(one.audio(np.full(FRAME, 9)))
        one.bus.wait_for_log("stays silent after 1 faults")
        status = one.bus.diagnostics()["conversation"]
        assert status.level == 2 and "AcceleratorError: CUDA error: unspecified" in status.message
        assert "end it and start it again" in status.message and "\n" not in status.message
        assert "end it and start it again" in one.bus.call("~/reset").message
        assert not one.bus.topics["motion_hold"][-1].data
        one.conversation.deactivate()
        one.conversation.cleanup()


def test_a_command_without_memory_says_so_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    soundfile.write(tmp_path / "in.wav", np.zeros(2400), 24_000)
    for error in (FULL, MemoryError()):
        monkeypatch.setattr(Engine, "load", staticmethod(failing(error)))
        assert main(["offline", "--input-wav", str(tmp_path / "in.wav")]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"personaplex: error: {type(error).__name__}: ")
        assert "no memory left: " in line


@pytest.mark.parametrize("frames", [1, 10, 750], ids=["a frame", "ten frames", "a minute"])
def test_a_model_that_stands_still_loses_no_sample_unseen(frames: int) -> None:
    with robot() as one:
        go_on, entered = threading.Event(), threading.Event()

        def stand_still(step: int) -> None:
            if step == 2:
                entered.set()
                go_on.wait(20.0)

        one.session.before_push = stand_still
        one.hear(2)
        one.send(one.audio(np.full(FRAME, 9)))
        assert entered.wait(5.0)
        for _ in range(frames):
            one.send(one.audio(np.full(FRAME, 9)))
        go_on.set()
        one.hear(3)

        def skipped() -> int:
            return int(one.bus.diagnostics()["microphone"].values["skipped frames"])

        sent = 3 + frames + 3
        one.bus.wait_for(lambda: len(one.session.heard) + skipped() == sent)
        most = one.conversation.parameters.max_backlog_frames  # waited when it went on
        assert skipped() == 0 if frames < most else skipped() >= frames - most
        assert one.bus.diagnostics()["conversation"].values["faults"] == "0"
