"""One replica: the server as it is, at an address that only the fleet's doors know."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from personaplex_ros.engine import Sampling
from personaplex_ros.fleet.lease import LeasedSessions, Leases
from personaplex_ros.fleet.ledger import Remembered, Report, last_words
from personaplex_ros.memory import keep_from_collector
from personaplex_ros.server.app import STALLED_S, make_app
from personaplex_ros.server.door import ANY_ORIGIN, Door
from personaplex_ros.server.limits import Limits
from personaplex_ros.server.metrics import Metrics
from personaplex_ros.server.model import Model
from personaplex_ros.server.running import Listener, Place

LOGGER = logging.getLogger("personaplex.fleet")
TELL_S = 0.5
"""Between two reports to the ledger."""


@dataclass(frozen=True)
class Work:
    """What a replica does: for whom, with what.

    open_model: loads the model; blocks. secret: what the doors show. log_words: as of the server.
    """

    open_model: Callable[[], Model]
    sampling: Sampling
    secret: str
    log_words: bool


@dataclass(frozen=True)
class Granted:
    """A lease of a replica at `address`; takes_memory: whether its model takes words at all.

    obstacle: why there is none, though a place is free: frames would be late, for one.
    """

    address: str
    lease: str
    takes_memory: bool
    obstacle: str = ""


class Replica:
    """Holds conversations; as many leases are out as there are conversations or are to be.

    `name` is told to the ledger, `host` is where others reach it. Nothing works before `start`.
    """

    def __init__(self, work: Work, ledger: Any, name: str, host: str) -> None:
        self.name = name
        self._work, self._ledger, self._host = work, ledger, host
        self._leases = Leases()
        self._telling: asyncio.Future[None] | None = None

    async def start(self) -> None:
        """Load the model and listen; raises what loading raises."""
        work, host = self._work, self._host
        metrics, limits = Metrics(), Limits()
        model = await asyncio.to_thread(work.open_model)
        self.sessions = LeasedSessions(model, limits, metrics, work.log_words)
        app = make_app(self.sessions, Door([work.secret], [ANY_ORIGIN], metrics), work.sampling)
        app.middlewares.append(self._leases.claimed)
        self._listener = Listener(app, limits, metrics)
        port = await self._listener.open(Place(host, 0))
        self.address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        keep_from_collector()
        self._telling = asyncio.ensure_future(self._tell())
        LOGGER.info("replica %s (process %d) listens at %s", self.name, os.getpid(), self.address)

    async def lease(self, said: str) -> AsyncIterator[Granted]:
        """Give a lease, and end when it is over; or say what is in the way, and end."""
        takes = self.sessions.model.takes_persona
        if (obstacle := self.sessions.obstacle) is not None:
            yield Granted(self.address, "", takes, obstacle.words)
            return
        with self._leases.new(said) as lease:
            yield Granted(self.address, lease.name, takes)
            await lease.over()

    def check_health(self) -> None:
        """Raise RuntimeError where the replica should be started anew; Ray Serve asks."""
        if (stalled_s := self.sessions.stalled_s) > STALLED_S:
            raise RuntimeError(f"the model has not come back for {stalled_s:.0f} s")

    async def close(self) -> None:
        """End what is left, and the model."""
        if self._telling is not None:
            self._telling.cancel()
            await self.sessions.drain(0.0)
            await self._listener.close()
            await self.sessions.close()

    async def _tell(self) -> None:
        while True:
            try:
                await self._ledger.tell.remote(self._report())
            except Exception as error:  # it is started anew, and told then
                LOGGER.warning("the ledger could not be told: %s", error)
            await asyncio.sleep(TELL_S)

    def _report(self) -> Report:
        sessions = self.sessions
        obstacle = sessions.obstacle
        conversations = {
            conversation.key: Remembered(
                sessions.lease_of(conversation), last_words("".join(conversation.said))
            )
            for conversation in sessions.conversations
        }
        words = "" if obstacle is None else obstacle.words
        return Report(
            self.name, self.address, sessions.open, sessions.model.slots, words, conversations
        )
