"""LiveKit's realtime model of PersonaPlex as it is, asked by a recording: prints what it hears.

usage: livekit_client_peer.py URL CALLER.wav SECONDS TOKEN. Runs in an environment that has
livekit-plugins-nvidia, see scripts/test_with_livekit.sh, and imports nothing of this package.
"""

from __future__ import annotations

import asyncio
import sys
import time
import wave

import aiohttp
import numpy as np
from livekit import rtc
from livekit.plugins.nvidia.experimental.realtime import RealtimeModel

PROMPT = (
    "You work for Nova Labs which is a robotics laboratory and your name is Maya. Information: "
    "The reception is open from nine to five. The meeting room is on the second floor. Visitors "
    "sign in at the desk. The cafeteria is behind the lifts."
)
BLOCK_S = 0.02


async def talk(url: str, caller: str, seconds: float, token: str) -> None:
    """Hold a conversation, and print the words and how much of the speech had sound."""
    words: list[str] = []
    peaks: list[int] = []
    errors: list[str] = []
    tasks: set[asyncio.Future[None]] = set()

    def later(work: object) -> None:
        task = asyncio.ensure_future(work)  # type: ignore[call-overload]
        tasks.add(task)

    async def hear(generation: object) -> None:
        async for message in generation.message_stream:  # type: ignore[attr-defined]
            later(collect(message.text_stream, words.append))
            later(collect(message.audio_stream, lambda f: peaks.append(peak(f))))

    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession(headers=headers) as http:
        model = RealtimeModel(
            base_url=url, voice="NATF2", text_prompt=PROMPT, seed=1, http_session=http
        )
        session = model.session()
        session.on("generation_created", lambda generation: later(hear(generation)))
        session.on("error", lambda error: errors.append(str(error.error)))
        await asyncio.wait_for(session._handshake_event.wait(), 60)
        due_s = time.monotonic()
        with wave.open(caller) as file:
            block = round(file.getframerate() * BLOCK_S)
            for _ in range(round(seconds / BLOCK_S)):
                data = file.readframes(block)
                data += bytes(2 * block - len(data))
                session.push_audio(rtc.AudioFrame(data, file.getframerate(), 1, block))
                due_s += BLOCK_S
                await asyncio.sleep(max(0.0, due_s - time.monotonic()))
        await session.aclose()
    print("words:", "".join(words))
    print(f"frames: {len(peaks)}, loud: {sum(one > 1000 for one in peaks)}, errors: {errors}")


async def collect(stream: object, take: object) -> None:
    """Hand on what comes."""
    async for item in stream:  # type: ignore[attr-defined]
        take(item)  # type: ignore[operator]


def peak(frame: rtc.AudioFrame) -> int:
    """Return the largest sample of a frame."""
    return int(np.abs(np.frombuffer(frame.data, np.int16).astype(int)).max())


if __name__ == "__main__":
    asyncio.run(talk(sys.argv[1], sys.argv[2], float(sys.argv[3]), sys.argv[4]))
