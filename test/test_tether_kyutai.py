"""The node tied to the server that Kyutai's own package has, with a small random model."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import sentencepiece
import torch
from aiohttp import web
from node_support import RATE, MemoryBus, Robot, talks
from oracles import moshi_lm, moshi_mimi
from reference import CODEC, moshi_config, random_codec, random_lm, tokenizer_bytes
from test_tether_talk import speak

from personaplex_ros.node.conversation import Conversation
from personaplex_ros.node.loading import load_engine
from personaplex_ros.node.parameters.table import Parameters

pytestmark = pytest.mark.alone


def kyutais_module(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return `moshi.server`, which is a program: an import starts it, here with --help."""
    pytest.importorskip("moshi", reason="moshi is not installed")
    spec = importlib.util.find_spec("moshi.server")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "moshi.server", module)
    monkeypatch.setattr(sys, "argv", ["moshi.server", "--help"])
    with pytest.raises(SystemExit):
        spec.loader.exec_module(module)
    return module


@contextmanager
def kyutai_server(theirs: Any) -> Iterator[str]:
    """Run Kyutai's handler of `/api/chat`, and give its address."""
    config = moshi_config()
    state = theirs.ServerState(
        "moshi",
        moshi_mimi(random_codec(), CODEC.context),
        sentencepiece.SentencePieceProcessor(model_proto=tokenizer_bytes()),
        moshi_lm(random_lm(config), config.context),
        cfg_coef=1.0,
        device="cpu",
    )
    loop, ready, done, ports = asyncio.new_event_loop(), threading.Event(), asyncio.Event(), []

    @torch.no_grad()  # as their program runs
    def run() -> None:
        loop.run_until_complete(serve())

    async def serve() -> None:
        app = web.Application()
        app.router.add_get("/api/chat", state.handle_chat)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        ports.append(runner.addresses[0][1])
        ready.set()
        await done.wait()
        await runner.cleanup()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert ready.wait(10)
        yield f"ws://127.0.0.1:{ports[0]}"
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join(10)
        loop.close()


def test_it_talks_with_kyutais_server_and_again_after_a_reset(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with kyutai_server(kyutais_module(monkeypatch)) as address:
        bus = MemoryBus()
        values = {"engine": address, "echo_cancellation": "off", "late_audio_timeout_s": 2.0}
        conversation = Conversation(bus, Parameters.of(values), load_engine)
        robot = Robot(bus, None, conversation)
        try:
            conversation.configure()
            conversation.activate()
            hear(robot, 2.0)
            assert talks(robot)
            text = "".join(message.text for message in bus.topics["text"])
            assert text.strip() and "▁" not in text
            sound = np.concatenate([message.data for message in bus.topics["audio_out"]])
            assert np.abs(sound[-RATE:]).max() > 0
            link = conversation._stage.configured.model.session.snapshot()
            assert link.state == "talking" and not link.lost and link.connections == 1
            assert link.answer_s < 1.0

            assert bus.call("~/reset").success
            hear(robot, 2.0)
            assert talks(robot)
            link = conversation._stage.configured.model.session.snapshot()
            assert link.state == "talking" and not link.lost
        finally:
            conversation.shutdown()


def hear(robot: Robot, seconds: float) -> None:
    """Let it hear a tone for so long, at the pace of a microphone."""
    speak(robot, 1000 * np.sign(np.sin(0.1 * np.arange(round(seconds * RATE)))))
