"""What clients send, damaged or made up: refused in words or dropped, and nobody else notices."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import numpy as np
import pytest
import sphn
from fuzz_support import damaged
from hypothesis import given, settings
from hypothesis import strategies as st
from server_support import FRAME, HANDSHAKE, HOST, RATE, Caller, ServerInThread, calling, spoken

from personaplex_ros.engine import Engine, Sampling
from personaplex_ros.server.limits import Limits
from personaplex_ros.server.line import CLOSE_CODES
from personaplex_ros.server.moshi.opus import OpusCodec, Pages
from personaplex_ros.server.moshi.protocol import error
from personaplex_ros.server.moshi.query import read_query
from personaplex_ros.server.refusal import Cause, Refusal

NAMES = st.sampled_from(
    ("text_prompt", "voice_prompt", "seed", "text_seed", "audio_seed", "text_temperature",
     "text_topk", "audio_temperature", "audio_topk", "pad_mult", "repetition_penalty", "resume")
)  # fmt: skip
TEXTS = st.text(max_size=30) | st.integers().map(str) | st.floats().map(str)
MESSAGES = 6


def pages() -> list[bytes]:
    """Return a second of noise as Ogg-Opus, a piece a frame."""
    writer, noise = sphn.OpusStreamWriter(RATE), np.random.default_rng(0)
    frames = noise.normal(0, 0.1, (13, FRAME)).astype(np.float32)
    return [bytes(writer.append_pcm(frame)) for frame in frames]


PAGES = pages()


@given(st.dictionaries(NAMES, TEXTS, max_size=6))
def test_queries(query: dict[str, str]) -> None:
    try:
        wish = read_query(query, HOST, Sampling(), Limits()).wish
    except Refusal as refusal:
        assert refusal.cause is Cause.BAD and any(name in refusal.words for name in query)
        assert len(error(refusal)) < 2_000
        return
    assert 0 <= wish.seed < 2**63
    assert 1 <= wish.sampling.text_top_k <= 25 and 1 <= wish.sampling.audio_top_k <= 250


@given(st.data())
def test_ogg(data: st.DataObject) -> None:
    pages, codec = Pages(), OpusCodec(RATE, Limits(ahead_s=60.0))
    heard = 0
    for whole in PAGES[:MESSAGES]:
        piece = data.draw(st.just(whole) | damaged(whole) | st.binary(max_size=200))
        try:
            heard += sum(len(codec.decode(packet)) for packet in pages.packets(piece))
        except Refusal as refusal:
            words = refusal.words
            assert refusal.cause is Cause.BAD and ("Ogg" in words or "ahead" in words)
            return
    assert heard <= 60 * RATE


@pytest.fixture(scope="module")
def server(small_checkpoint: Path) -> Iterator[ServerInThread]:
    engine = Engine.load(small_checkpoint, device="cpu", slots=2)
    with ServerInThread(engine, 2) as server:
        yield server


async def hello(caller: Caller) -> list[str]:
    """Talk a little; returns the errors."""
    await caller.listen(lambda heard: HANDSHAKE in heard.kinds or bool(heard.errors))
    await caller.speak(np.zeros(4 * FRAME, np.float32))
    return (await caller.listen(lambda heard: spoken(0.2)(heard) or bool(heard.errors))).errors


@settings(max_examples=settings().max_examples // 5)  # each holds a conversation
@given(st.data())
def test_messages(server: ServerInThread, data: st.DataObject) -> None:
    whole = [b"\x01" + page for page in PAGES[:MESSAGES]]
    sent: list[bytes | str] = [
        data.draw(st.just(m) | damaged(m) | st.binary(max_size=100) | st.text(max_size=20))
        for m in whole
    ]
    troubles: list[logging.LogRecord] = []

    class Listening(logging.Handler):
        """Keeps what is worse than information."""

        def emit(self, record: logging.LogRecord) -> None:
            """Keep it."""
            troubles.append(record)

    handler = Listening(logging.WARNING)

    async def talk(caller: Caller) -> None:
        await caller.listen(lambda heard: HANDSHAKE in heard.kinds)
        for message in sent:
            try:
                if isinstance(message, str):
                    await caller.socket.send_str(message)
                else:
                    await caller.socket.send_bytes(message)
            except (ConnectionError, aiohttp.ClientError):
                break
        heard = await caller.listen(lambda heard: heard.seconds > 0.1 or bool(heard.errors), 5.0)
        if heard.errors:
            heard = await caller.listen(lambda heard: False, 5.0)
            assert heard.close_code == CLOSE_CODES[Cause.BAD], heard

    logging.getLogger().addHandler(handler)
    try:
        calling(server.empty().url(), talk)
        assert not calling(server.url(), hello)
    finally:
        logging.getLogger().removeHandler(handler)
    assert not troubles


def test_half_a_message_and_then_nothing(server: ServerInThread) -> None:
    """A client that dies in the middle of a frame of its WebSocket takes nobody along."""

    async def die(caller: Caller) -> None:
        await caller.listen(lambda heard: HANDSHAKE in heard.kinds)
        connection = caller.socket._response.connection
        assert connection is not None and connection.transport is not None
        connection.transport.write(b"\x82\xfe\x10\x00abcd\x01OggS")  # of 4096 bytes, nine
        await asyncio.sleep(0.1)
        connection.transport.abort()

    calling(server.empty().url(), die)
    assert not calling(server.url(), hello)
    server.empty()
