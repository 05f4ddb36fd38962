"""The connection to a server of the Moshi protocol: a thread that keeps it up."""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
import time
from asyncio import FIRST_COMPLETED
from collections.abc import Callable

import aiohttp
import numpy as np
from numpy.typing import NDArray

from personaplex_ros.conversing.link import Level, LinkSnapshot, News
from personaplex_ros.tether.address import Address
from personaplex_ros.tether.delay import DelayMeter
from personaplex_ros.tether.jitter import JitterBuffer
from personaplex_ros.tether.opening import Opening
from personaplex_ros.tether.problems import LinkProblem, problem_of
from personaplex_ros.tether.reach import Reach
from personaplex_ros.tether.talk import Talk
from personaplex_ros.tether.uplink import Uplink

CONNECT_S = 5.0
"""For a connection and its upgrade to a WebSocket."""
BACKOFF_S, LONGEST_BACKOFF_S = 0.25, 8.0
"""Wait before the second attempt, doubled with each, and the longest; each is varied by a quarter,
so that the robots of a site do not come all at once."""
TALKED_S = 5.0
"""Time of talking after which a connection was a good one, and the wait begins anew."""
END_S = 3.0
"""For the thread to end."""
LARGEST_MESSAGE = 1 << 20
"""Bytes; one of 80 ms has about 400."""
OVER, BROKEN = 1000, 4000
"""With which a connection is closed: the conversation is over, or it is to be kept."""
NEW = "new"


class Link:
    """Keeps one conversation with a server; `send` and `begin` are for one thread, others for any.

    Frames go up from a bounded queue; speech and words come down into `jitter`. A connection that
    breaks is made again, as long as frames come: where the server has kept the conversation it goes
    on, else one begins anew as the same persona.
    """

    def __init__(
        self,
        address: Address,
        opening: Opening,
        jitter: JitterBuffer,
        rate: int,
        lost_after_s: float,
    ) -> None:
        self._address, self._opening, self._jitter = address, opening, jitter
        self._rate, self._lost_after_s = rate, lost_after_s
        self._delay = DelayMeter()
        self._uplink = Uplink(rate)
        self._reach = Reach(address.text, lost_after_s)
        self._talk: Talk | None = None
        self._key = ""
        self._voice_as_file = False
        self._connections = self._resumed = self._damaged = 0
        self._closing = False
        self._loop = asyncio.new_event_loop()
        self._changed = asyncio.Event()
        self._thread = threading.Thread(target=self._work, name="tether", daemon=True)
        self._thread.start()

    def send(self, frame: NDArray[np.float32]) -> None:
        """Let the server hear a frame, float32 [n], which is whole now; never blocks."""
        self._reach.want()
        self._uplink.put(frame, time.monotonic())
        self._call(self._uplink.wake)

    def begin(self, opening: Opening) -> None:
        """Begin another conversation; never blocks."""
        self._opening, self._key = opening, ""
        self._reach.begins()
        self._reach.want()
        self._call(self._interrupt)

    def close(self) -> None:
        """Hang up and end the thread."""
        self._closing = True
        self._call(self._interrupt)
        self._thread.join(END_S)

    @property
    def lost(self) -> bool:
        """Whether the model is out of reach, for longer than is to be borne."""
        talk = self._talk
        return self._reach.overdue(0.0 if talk is None else talk.still_s)

    def news(self) -> list[News]:
        """Return what has happened since the last call, to be logged; never blocks."""
        return self._reach.news(self.lost)

    def expect_begun(self, timeout_s: float) -> None:
        """Wait until the persona is ready; raises RuntimeError where the server refuses it."""
        self._reach.expect_begun(timeout_s)

    def tell(self, level: Level, text: str) -> None:
        """Have something logged with the news."""
        self._reach.tell(level, text)

    def snapshot(self, kept_silent_s: float = 0.0) -> LinkSnapshot:
        """Return what is known of it, with what was said there and not let out here."""
        talk, jitter = self._talk, self._jitter.snapshot()
        return LinkSnapshot(
            self._address.text,
            self._reach.state,
            self.lost,
            str(self._reach.problem or ""),
            self._delay.answer_s,
            jitter.waiting_s,
            None if talk is None else talk.round_trip_s,
            self._connections,
            self._resumed,
            self._reach.losses,
            self._uplink.dropped_s,
            jitter.ran_dry,
            jitter.missing_s,
            jitter.dropped_s,
            jitter.shortened_s,
            kept_silent_s,
            self._damaged + (0 if talk is None else talk.damaged),
        )

    def _work(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._run())
        finally:
            self._loop.close()

    async def _run(self) -> None:
        failures = 0
        async with aiohttp.ClientSession() as http:
            while not self._closing:
                self._changed.clear()
                talked_s = await self._converse(http)
                asked = self._changed.is_set()
                failures = 0 if asked or talked_s > TALKED_S else failures + 1
                await self._rest(failures)

    async def _rest(self, failures: int) -> None:
        """Wait before the next attempt, and until somebody wants it."""
        if failures:
            wait_s = min(BACKOFF_S * 2 ** (failures - 1), LONGEST_BACKOFF_S)
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._changed.wait(), wait_s * random.uniform(0.75, 1.25))
        while not self._closing and not self._reach.wanted:
            self._reach.becomes("idle")
            await self._uplink.arrived()

    async def _converse(self, http: aiohttp.ClientSession) -> float:
        """Hold one connection to its end; return for how many seconds it was talked over."""
        opening, key = self._opening, self._key
        talk = Talk(self._rate, self._lost_after_s, self._uplink, self._jitter, self._delay, key)
        begun_s: float | None = None
        try:
            self._reach.becomes("connecting")
            socket = await asyncio.wait_for(self._connect(http, opening, key), CONNECT_S)
            self._reach.becomes("opening")
            talking = asyncio.ensure_future(talk.hold(socket))
            changed = asyncio.ensure_future(self._changed.wait())
            ready = asyncio.ensure_future(talk.ready.wait())
            try:
                await asyncio.wait({talking, changed, ready}, return_when=FIRST_COMPLETED)
                if ready.done() and not changed.done():
                    begun_s = time.monotonic()
                    self._has_begun(talk, opening, bool(key) and not talk.anew)
                    await asyncio.wait({talking, changed}, return_when=FIRST_COMPLETED)
                if talking.done():
                    talking.result()
            finally:
                for task in (talking, changed, ready):
                    task.cancel()
                await asyncio.gather(talking, changed, ready, return_exceptions=True)
                await socket.close(code=OVER if self._changed.is_set() else BROKEN)
        except Exception as error:
            if not self._changed.is_set():
                self._failed(problem_of(error), opening, begun_s is not None)
        self._damaged += talk.damaged
        self._talk = None
        if not self._changed.is_set() and begun_s is not None:
            self._key = talk.key
        return 0.0 if begun_s is None else time.monotonic() - begun_s

    async def _connect(
        self, http: aiohttp.ClientSession, opening: Opening, key: str
    ) -> aiohttp.ClientWebSocketResponse:
        query = opening.query(self._voice_as_file) | {"resume": key or NEW}
        return await http.ws_connect(
            self._address.with_query(query),
            headers=self._address.headers,
            ssl=self._address.trust or True,
            autoping=False,
            max_msg_size=LARGEST_MESSAGE,
            timeout=aiohttp.ClientWSTimeout(ws_close=1.0),
        )

    def _has_begun(self, talk: Talk, opening: Opening, resumed: bool) -> None:
        broken = self._reach.problem is not None
        self._talk = talk
        self._reach.begun()
        self._connections += 1
        self._resumed += resumed
        if broken and resumed:
            self._reach.tell("info", "the model is within reach again, the conversation goes on")
        elif broken:
            name = opening.persona.name
            self._reach.tell("warn", f"the model is within reach, and begins anew as {name}")

    def _failed(self, problem: LinkProblem, opening: Opening, had_begun: bool) -> None:
        if not had_begun and problem.refused:
            if self._key:  # it may be the conversation that is over
                self._key = ""
                problem.try_otherwise()
            elif opening.published_voice and not self._voice_as_file:
                self._voice_as_file = True
                problem.try_otherwise()
        self._reach.failed(problem)

    def _interrupt(self) -> None:
        self._changed.set()
        self._uplink.wake()

    def _call(self, action: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed already
            self._loop.call_soon_threadsafe(action)
