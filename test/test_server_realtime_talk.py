"""The bundled model over the Realtime protocol, in OpenAI's own client: asked, stopped, let say."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from openai import AsyncOpenAI
from openai.resources.realtime.realtime import AsyncRealtimeConnection
from openai.types.realtime import RealtimeServerEvent
from pydantic import TypeAdapter
from server_support import RATE, serving

from personaplex_ros.audio import float32_to_int16, read_wave
from personaplex_ros.resources import share_directory

pytestmark = pytest.mark.alone

CALLER = share_directory() / "config" / "demo" / "caller.wav"
QUESTION_S = 4.5
"""The caller's first question, on which floor the meeting room is."""
CHUNK = RATE // 25
KNOWN: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)


class Client:
    """Speaks at the pace of time, silence behind what it has to say, and notes what it is told."""

    def __init__(self, connection: AsyncRealtimeConnection) -> None:
        self._connection = connection
        self._to_say = np.zeros(0, np.int16)
        self.events: list[dict[str, Any]] = []

    def ask(self) -> None:
        """Say the question next."""
        samples = read_wave(CALLER).samples[: round(QUESTION_S * RATE)]
        self._to_say = float32_to_int16(samples.reshape(-1))

    async def until(self, so: Callable[[], bool], limit_s: float = 20.0) -> None:
        """Speak and listen until that is so."""
        loop = asyncio.get_running_loop()
        listening = asyncio.ensure_future(self._listen())
        begun_s, due_s = loop.time(), loop.time()
        try:
            while not so():
                assert loop.time() - begun_s < limit_s, self.kinds
                chunk = np.zeros(CHUNK, np.int16)
                chunk[: len(self._to_say[:CHUNK])] = self._to_say[:CHUNK]
                self._to_say = self._to_say[CHUNK:]
                sound = base64.b64encode(chunk.tobytes()).decode()
                await self._connection.input_audio_buffer.append(audio=sound)
                due_s += CHUNK / RATE
                await asyncio.sleep(max(0.0, due_s - loop.time()))
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)

    @property
    def kinds(self) -> list[str]:
        """Types of what was told."""
        return [event["type"] for event in self.events]

    def all_of(self, kind: str) -> list[dict[str, Any]]:
        """Return the events of a type."""
        return [event for event in self.events if event["type"] == kind]

    @property
    def words(self) -> list[str]:
        """What the robot said in each response."""
        return [event["transcript"] for event in
                self.all_of("response.output_audio_transcript.done")]  # fmt: skip

    async def _listen(self) -> None:
        async for event in self._connection:
            self.events.append(event.to_dict())


def test_it_is_asked_stopped_and_let_say() -> None:
    async def talk(url: str) -> Client:
        async with AsyncOpenAI(api_key="none", base_url=f"{url}/v1") as client:
            async with client.realtime.connect(model="personaplex") as connection:
                caller = Client(connection)
                caller.ask()
                await caller.until(lambda: len(caller.words) == 1)
                caller.ask()
                begun = caller.kinds.count("response.created")
                await caller.until(lambda: caller.kinds.count("response.created") > begun)
                await connection.response.cancel()
                await caller.until(lambda: len(caller.words) == 2)
                content = {"type": "output_text", "text": "The lift is on the left."}
                item = {"type": "message", "role": "assistant", "content": [content]}
                await connection.conversation.item.create(item=item)  # type: ignore[arg-type]
                await connection.response.create()
                await caller.until(lambda: len(caller.words) == 3)
                return caller

    with serving("--sessions", "1") as (url, server):
        caller = asyncio.run(talk(url.replace("ws://", "http://")))
        server.terminate()
    for event in caller.events:
        if not event["type"].startswith("personaplex."):
            KNOWN.validate_python(event)
    answer, stopped, said = caller.words
    assert "second floor" in answer and "lift is on the left" in said
    assert len(stopped) < len(answer)
    results = [event["response"]["status"] for event in caller.all_of("response.done")]
    assert results == ["completed", "cancelled", "completed"]
    sound = b"".join(base64.b64decode(event["delta"]) for event in
                     caller.all_of("response.output_audio.delta"))  # fmt: skip
    assert np.abs(np.frombuffer(sound, "<i2").astype(np.int32)).max() > 1_600
    started, stops = (caller.all_of(f"input_audio_buffer.speech_{end}")
                      for end in ("started", "stopped"))  # fmt: skip
    assert len(started) == len(stops) >= 2
    assert 0 < started[0]["audio_start_ms"] < stops[0]["audio_end_ms"] < 1_000 * QUESTION_S
    assert not caller.all_of("error")
    turns = {event["event"] for event in caller.all_of("personaplex.turn_event")}
    assert {"user_started", "robot_started", "robot_stopped"} <= turns
