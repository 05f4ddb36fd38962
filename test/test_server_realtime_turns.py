"""The person's turns over the Realtime protocol: which items, which times, what ends them."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from openai import AsyncOpenAI
from openai.resources.realtime.realtime import AsyncRealtimeConnection
from server_support import FRAME, RATE, ServerInThread, always

from personaplex_ros.audio import float32_to_int16, read_wave
from personaplex_ros.engine import Engine
from personaplex_ros.resources import share_directory
from personaplex_ros.server.realtime.events import History
from personaplex_ros.server.realtime.person import Person

CALLER = share_directory() / "config" / "demo" / "caller.wav"
QUESTION = round(0.95 * RATE)
BEFORE = "input_audio_buffer."


@pytest.fixture(scope="module")
def server(small_checkpoint: Path) -> Iterator[ServerInThread]:
    engine = Engine.load(small_checkpoint, device="cpu", slots=1)
    engine.step = always(np.zeros(FRAME), "")  # type: ignore[method-assign]
    with ServerInThread(engine, 1) as server:
        yield server


def recording(seconds: float, silence_s: float) -> str:
    """Return the begin of the caller's first question (of 2.6 s), and silence behind it."""
    said = read_wave(CALLER).samples.reshape(-1)[QUESTION : QUESTION + round(seconds * RATE)]
    samples = float32_to_int16(said)
    return base64.b64encode(samples.tobytes() + bytes(2 * round(silence_s * RATE))).decode()


class Client:
    """A connection, and what came over it of the person's side."""

    def __init__(self, connection: AsyncRealtimeConnection) -> None:
        self.connection = connection
        self.told: list[tuple[str, str | None]] = []
        self.times: list[int] = []

    async def say(self, sound: str, commit: bool = False) -> None:
        """Send sound at once."""
        await self.connection.input_audio_buffer.append(audio=sound)
        if commit:
            await self.connection.input_audio_buffer.commit()

    async def speak_on(self) -> None:
        """Speak for 12 s, of which the last 7 are heard as time passes."""
        for _ in range(6):
            await self.say(recording(2.0, 0.0))

    async def until(self, kind: str) -> Any:
        """Listen until there is one of that kind."""
        async for event in self.connection:
            assert event.type != "error", event
            if event.type.startswith(BEFORE):
                self.told.append((event.type.removeprefix(BEFORE), getattr(event, "item_id", None)))
            for name in ("audio_start_ms", "audio_end_ms"):
                if hasattr(event, name):
                    self.times.append(getattr(event, name))
            if event.type == kind:
                return event
        raise AssertionError(f"hung up before {kind}")

    async def update(self, **session: Any) -> None:
        """Change the session."""
        await self.connection.session.update(session={"type": "realtime", **session})  # type: ignore[typeddict-item]
        await self.until("session.updated")


def talk(server: ServerInThread, work: Callable[[Client], Coroutine[Any, Any, None]]) -> None:
    async def go() -> None:
        async with AsyncOpenAI(api_key="no", base_url=f"http://{server.host}/v1") as client:
            async with client.realtime.connect(model="personaplex") as connection:
                await work(Client(connection))

    server.empty()
    asyncio.run(asyncio.wait_for(go(), 40))


def test_a_recording_that_is_committed_makes_one_item(server: ServerInThread) -> None:
    async def work(client: Client) -> None:
        for number in (1, 2):
            await client.say(recording(2.6, 1.5), commit=True)
            await client.until(BEFORE + "speech_stopped")
            assert [kind for kind, _ in client.told].count("committed") == number
        first, second = client.told[:3], client.told[3:]
        for told in (first, second):
            assert [kind for kind, _ in told] == ["committed", "speech_started", "speech_stopped"]
            assert len({item for _, item in told}) == 1
        assert first[0] != second[0]
        await client.say(recording(2.6, 1.5))  # what is not committed is, by its end
        await client.until(BEFORE + "committed")
        assert [kind for kind, _ in client.told[6:]] == [
            "speech_started", "speech_stopped", "committed",
        ]  # fmt: skip

    talk(server, work)


def test_speech_ends_where_turns_are_not_told_of_any_more(server: ServerInThread) -> None:
    async def work(client: Client) -> None:
        await client.speak_on()
        started = await client.until(BEFORE + "speech_started")
        await client.update(audio={"input": {"turn_detection": None}})
        assert client.told[1:] == [("speech_stopped", started.item_id)]
        assert client.times[0] <= client.times[1] <= 12_000
        await client.connection.input_audio_buffer.clear()
        await client.say(recording(1.0, 1.0), commit=True)
        assert (await client.until(BEFORE + "committed")).item_id == started.item_id
        while (await client.until("personaplex.turn_event")).to_dict()["event"] != "user_stopped":
            pass
        await client.update(audio={"input": {"turn_detection": {"type": "server_vad"}}})
        await client.say(recording(2.0, 0.0))
        # What was committed may be heard only now; what comes behind it is another item.
        while (await client.until(BEFORE + "speech_started")).item_id == started.item_id:
            pass

    talk(server, work)


def test_what_is_cleared_leaves_room_for_as_much(server: ServerInThread) -> None:
    sound = base64.b64encode(bytes(2 * 25 * RATE)).decode()

    async def work(client: Client) -> None:
        for _ in range(2):
            await client.say(sound)
            await client.connection.input_audio_buffer.clear()
            await client.until(BEFORE + "cleared")
        await client.say(sound)
        await client.update(instructions="You are Eve.")  # forgets it, too
        await client.say(sound, commit=True)
        await client.until(BEFORE + "committed")

    talk(server, work)


def test_times_go_on_and_speech_ends_when_another_persona_begins(server: ServerInThread) -> None:
    async def work(client: Client) -> None:
        for name in ("Ann", "Bob"):
            await client.update(instructions=f"You are {name}.")
            await client.speak_on()
            await client.until(BEFORE + "speech_started")
        await client.update(instructions="You are Eve.")
        assert [kind for kind, _ in client.told] == ["speech_started", "speech_stopped"] * 2
        assert client.times == sorted(client.times) and client.times[1] < client.times[2]

    talk(server, work)


def test_speech_that_is_closed_in_the_frame_in_which_it_began_ends_no_sooner() -> None:
    person = Person(History())
    (started,) = person.started(96_000_000)
    (stopped,) = person.close(80_000_000)
    assert started["audio_start_ms"] == stopped["audio_end_ms"]


def test_speech_that_begins_where_committed_sound_ends_is_another_item() -> None:
    person = Person(History())
    (_, item, _) = person.commit(3_000_000_000)
    (within,) = person.started(1_000_000_000)
    assert within["item_id"] == item["item"]["id"]
    assert len(list(person.stopped(2_500_000_000))) == 1
    (later,) = person.started(2_940_000_000)  # the detector tells of it some hundredths too early
    assert later["item_id"] != item["item"]["id"]
