"""The right to one conversation of a replica, which Ray Serve counts as one request."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial

from aiohttp import web

from personaplex_ros.server.conversation.codec import Codec
from personaplex_ros.server.conversation.conversation import Conversation
from personaplex_ros.server.limits import Limits
from personaplex_ros.server.metrics import Metrics
from personaplex_ros.server.model import Model
from personaplex_ros.server.refusal import Cause, Refusal
from personaplex_ros.server.sessions import Sessions
from personaplex_ros.server.wish import Wish, with_memory

HEADER = "X-Personaplex-Lease"
CLAIM_S = 10.0
"""Within which the connection must come that a lease was given for."""

_current: ContextVar[Lease | None] = ContextVar("lease", default=None)


class Lease:
    """Lasts as long as somebody holds it: a connection, and every conversation that it began."""

    def __init__(self, said: str) -> None:
        self.name = secrets.token_urlsafe(16)
        self.said = said
        self._holders = 0
        self._claimed, self._over = asyncio.Event(), asyncio.Event()

    def hold(self) -> None:
        """Keep it until `let_go`."""
        self._holders += 1
        self._claimed.set()

    def let_go(self) -> None:
        """End what `hold` began; it is over when nobody is left."""
        self._holders -= 1
        if not self._holders:
            self._over.set()

    async def over(self) -> None:
        """Wait until nobody holds it any more, or nobody has claimed it in time."""
        try:
            await asyncio.wait_for(self._claimed.wait(), CLAIM_S)
        except asyncio.TimeoutError:
            return
        await self._over.wait()


class Leases:
    """The leases of a replica that are not over."""

    def __init__(self) -> None:
        self._open: dict[str, Lease] = {}

    @contextmanager
    def new(self, said: str) -> Iterator[Lease]:
        """Give a lease, under which a robot is told that it said so before; it ends with this."""
        lease = Lease(said)
        self._open[lease.name] = lease
        try:
            yield lease
        finally:
            del self._open[lease.name]

    @web.middleware
    async def claimed(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Let a request run under the lease that it names."""
        lease = self._open.get(request.headers.get(HEADER, ""))
        if lease is None:
            return await handler(request)
        before = _current.set(lease)
        lease.hold()
        try:
            return await handler(request)
        finally:
            lease.let_go()
            _current.reset(before)


class LeasedSessions(Sessions):
    """Sessions whose conversations hold the lease under which they were begun."""

    def __init__(self, model: Model, limits: Limits, metrics: Metrics, log_words: bool) -> None:
        super().__init__(model, limits, metrics, log_words)
        self._leases: dict[str, Lease] = {}

    def lease_of(self, conversation: Conversation) -> str:
        """Return the name of the lease of a conversation."""
        lease = self._leases.get(conversation.key)
        return "" if lease is None else lease.name

    async def begin(
        self,
        wish: Wish,
        protocol: str,
        *,
        limits: Limits | None = None,
        codec: Codec | None = None,
        resumable: bool = False,
    ) -> Conversation:
        """Begin a conversation, of which the robot knows what it said before if it is told."""
        lease = _current.get()
        said = "" if lease is None else lease.said
        begin = partial(
            super().begin, protocol=protocol, limits=limits, codec=codec, resumable=resumable
        )
        try:
            conversation = await begin(with_memory(wish, said))
        except Refusal as refusal:
            if not said or refusal.cause is not Cause.BAD:
                raise
            conversation = await begin(wish)  # the prompt has become too long
        if lease is not None:
            lease.hold()
            self._leases[conversation.key] = lease
        return conversation

    async def end(self, conversation: Conversation, why: str) -> None:
        """End a conversation, and let go of its lease when its slot is free."""
        await super().end(conversation, why)
        held = all(other.key != conversation.key for other in self.conversations)
        if held and (lease := self._leases.pop(conversation.key, None)) is not None:
            lease.let_go()
