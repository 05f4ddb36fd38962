"""The replicas as a door sees them: who is there, a lease of one, a connection to one."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import aiohttp

from personaplex_ros.fleet.lease import HEADER
from personaplex_ros.fleet.ledger import Found, Report
from personaplex_ros.fleet.replica import Granted
from personaplex_ros.server.refusal import Cause, Refusal

LOGGER = logging.getLogger("personaplex.fleet")
CONNECT_S = 2.0
"""For a replica to answer."""
ALIVE_S = 5.0
"""Between two pings over a connection, which breaks when one is not answered in half of it."""
MOST_ATTEMPTS = 100
"""Of leases, where replicas end meanwhile or decline."""
AGAIN_S = 0.3
"""Before the next attempt."""
RETURN_S = 30.0
"""For which a client waits for room whose replica is gone, at least: it is not at fault."""
NO_ROOM = "all conversations of this fleet are taken; come back later"

Socket = aiohttp.ClientWebSocketResponse


class Unreachable(Exception):
    """A replica is gone."""


class Replicas:
    """Asks the deployment of the replicas for leases, and their ledger for conversations.

    `handle` and `ledger` are Ray Serve's handles of both; `secret` lets in at the replicas'
    addresses. A lease is waited for `wait_s`; `full` is the error of Ray Serve's that says that too
    many wait already.
    """

    def __init__(
        self, handle: Any, ledger: Any, secret: str, wait_s: float, full: type[Exception]
    ) -> None:
        self._handle = handle.options(stream=True)
        self._ledger = ledger
        self._secret = secret
        self._wait_s = wait_s
        self._full = full
        self._following: set[asyncio.Future[None]] = set()
        self._http: aiohttp.ClientSession | None = None

    async def there(self) -> list[Report]:
        """Return what those tell that are there."""
        reports: list[Report] = await self._ledger.replicas.remote()
        return reports

    async def find(self, key: str) -> Found | None:
        """Return the conversation of a key, held or of a replica that is gone."""
        found: Found | None = await self._ledger.find.remote(key)
        return found

    async def key_of(self, lease: str) -> str | None:
        """Return the key of the conversation that was begun under a lease."""
        key: str | None = await self._ledger.key_of.remote(lease)
        return key

    async def leased(
        self, said: str | None, path: str, query: Mapping[str, str], protocols: Sequence[str]
    ) -> tuple[Socket, Granted]:
        """Connect to a replica that has room; raises Refusal where there is none.

        said: what the robot said before, to one that comes back; None for a client that is new.
        """
        wait_s = self._wait_s if said is None else max(self._wait_s, RETURN_S)
        until_s = time.monotonic() + wait_s
        why = ""
        for attempt in range(MOST_ATTEMPTS):
            if attempt and time.monotonic() >= until_s:
                break
            try:
                granted = await self._granted(said or "", until_s)
                if not (why := granted.obstacle):
                    return await self.connect(granted.address, path, query, protocols,
                                              granted.lease), granted  # fmt: skip
            except Unreachable as error:
                LOGGER.info("a replica is gone (%s), another is asked", error)
            await asyncio.sleep(AGAIN_S)
        raise Refusal(Cause.FULL, why or "the replicas of this fleet begin anew; come back later")

    async def connect(
        self,
        address: str,
        path: str,
        query: Mapping[str, str],
        protocols: Sequence[str],
        lease: str = "",
    ) -> Socket:
        """Connect to a replica; raises Unreachable where it is gone, Refusal where it declines."""
        headers = self._headers | ({HEADER: lease} if lease else {})
        url = f"{address}{path}?{urlencode(query)}"
        opening = self._client.ws_connect(
            url, headers=headers, protocols=protocols, heartbeat=ALIVE_S, max_msg_size=0,
            compress=0, timeout=aiohttp.ClientWSTimeout(ws_close=CONNECT_S),
        )  # fmt: skip
        try:
            return await asyncio.wait_for(opening, CONNECT_S)
        except aiohttp.WSServerHandshakeError as error:
            raise Refusal(Cause.FULL, f"a replica declines (HTTP {error.status})") from error
        except (aiohttp.ClientError, OSError, asyncio.TimeoutError) as error:
            raise Unreachable(str(error) or type(error).__name__) from error

    async def fetch(self, address: str, path: str) -> tuple[int, bytes, dict[str, str]]:
        """Return status, body and headers of a page of a replica; raises Unreachable."""
        patience = aiohttp.ClientTimeout(total=CONNECT_S)
        try:
            async with self._client.get(
                address + path, headers=self._headers, timeout=patience
            ) as response:
                return response.status, await response.read(), dict(response.headers)
        except (aiohttp.ClientError, OSError, asyncio.TimeoutError) as error:
            raise Unreachable(str(error) or type(error).__name__) from error

    async def close(self) -> None:
        """Hang up on all."""
        for following in self._following:
            following.cancel()
        if self._http is not None:
            await self._http.close()

    @property
    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._secret}"}

    @property
    def _client(self) -> aiohttp.ClientSession:
        if self._http is None:  # in the loop in which it is used
            connector = aiohttp.TCPConnector(limit=0)
            self._http = aiohttp.ClientSession(connector=connector, trust_env=False)
        return self._http

    async def _granted(self, said: str, until_s: float) -> Granted:
        stream = self._handle.lease.remote(said)
        waited_s = max(0.0, until_s - time.monotonic())
        try:
            granted: Granted = await asyncio.wait_for(anext(stream), waited_s)
        except (asyncio.TimeoutError, asyncio.CancelledError) as error:
            stream.cancel()
            if isinstance(error, asyncio.CancelledError):
                raise
            raise Refusal(Cause.FULL, f"{NO_ROOM} ({waited_s:.2g} s were waited)") from error
        except self._full as error:
            raise Refusal(Cause.FULL, f"{NO_ROOM} (too many wait already)") from error
        except Exception as error:  # of many kinds, all of a replica that ends
            raise Unreachable(type(error).__name__) from error
        following = asyncio.ensure_future(_follow(stream))
        self._following.add(following)  # a lease that nobody reads any more might be ended
        following.add_done_callback(self._following.discard)
        return granted


async def _follow(stream: AsyncIterator[Any]) -> None:
    with contextlib.suppress(Exception):  # the replica is gone, which the connection tells
        async for _ in stream:
            pass
