"""The conversations of a server: begun, taken up again, and ended."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from personaplex_ros.remedies import described
from personaplex_ros.server.conversation.codec import Codec
from personaplex_ros.server.conversation.conversation import Conversation
from personaplex_ros.server.conversation.inbox import Inbox
from personaplex_ros.server.conversation.outbox import Outbox
from personaplex_ros.server.conversation.outputs import Ended
from personaplex_ros.server.limits import Limits
from personaplex_ros.server.metrics import Metrics
from personaplex_ros.server.model import NO_ROOM, Model, Opened
from personaplex_ros.server.refusal import Cause, Refusal
from personaplex_ros.server.wish import Wish
from personaplex_ros.turns import TurnUpdate

LOGGER = logging.getLogger("personaplex.server")


@dataclass
class _Kept:
    """What is remembered of a conversation.

    resumable: whether the client wants to find it again. forget: what ends it when nobody comes;
    None while a client is there. displaced: done when another client takes the place of the one
    that is there. ending: whether it is being ended; its slot is not free yet.
    """

    conversation: Conversation
    number: int
    resumable: bool
    forget: asyncio.TimerHandle | None = None
    displaced: asyncio.Future[None] | None = None
    ending: bool = False


class Sessions:
    """Begins and ends conversations on a model; for the event loop, which it never blocks.

    There are as many at a time as the model has slots; one that would make frames late is refused
    before (`engine.admission`). The log has no words of a conversation, unless `log_words`.
    """

    def __init__(
        self, model: Model, limits: Limits, metrics: Metrics, log_words: bool = False
    ) -> None:
        self._log_words = log_words
        self.model = model
        self.limits = limits
        self.metrics = metrics
        self._kept: dict[str, _Kept] = {}
        self._opening = 0
        self._number = 0
        self._ending = False
        self._tasks: set[asyncio.Future[None]] = set()
        self._workers = ThreadPoolExecutor(model.slots, thread_name_prefix="opening")

    @property
    def open(self) -> int:
        """Conversations that are open."""
        return len(self._kept)

    @property
    def conversations(self) -> list[Conversation]:
        """Those that are open."""
        return [kept.conversation for kept in self._kept.values()]

    @property
    def stalled_s(self) -> float:
        """How long the model has not come back, in seconds."""
        return max((kept.conversation.stalled_s for kept in self._kept.values()), default=0.0)

    @property
    def obstacle(self) -> Refusal | None:
        """Why no conversation could begin now, as far as is known without trying."""
        if self._ending:
            return Refusal(Cause.ENDING, "the server is about to end; come back in a while")
        if len(self._kept) + self._opening >= self.model.slots:
            return Refusal(
                Cause.FULL,
                f"all {self.model.slots} conversations of this server are taken; come back later",
            )
        late = self.model.obstacle
        return Refusal(Cause.FULL, f"{NO_ROOM}: {late}") if late else None

    async def begin(
        self,
        wish: Wish,
        protocol: str,
        *,
        limits: Limits | None = None,
        codec: Codec | None = None,
        resumable: bool = False,
    ) -> Conversation:
        """Begin a conversation, limits and codec being the protocol's own; raises Refusal."""
        if (obstacle := self.obstacle) is not None:
            raise obstacle
        self._opening += 1
        try:
            job = self._workers.submit(self.model.open, wish)
            opened = await self._opened(job)
        except Refusal:
            raise
        except Exception as error:
            LOGGER.exception("a conversation could not begin")
            words = f"the conversation could not begin: {described(error)}"
            raise Refusal(Cause.FAILED, words) from error
        finally:
            self._opening -= 1
        self._number += 1
        conversation = self._made(opened, limits or self.limits, codec)
        self._kept[conversation.key] = _Kept(conversation, self._number, resumable)
        conversation.start()
        self.metrics.begun(protocol)
        LOGGER.info("conversation %d began over %s", self._number, protocol)
        return conversation

    def take_up(self, key: str) -> Conversation:
        """Return the conversation of that key, for a client that comes back; raises Refusal.

        Whoever has the key is believed: a connection that broke may look sound for a while, so the
        client that is there is displaced.
        """
        kept = self._kept.get(key)
        if kept is None or not kept.resumable or kept.ending or kept.conversation.ended:
            raise Refusal(Cause.GONE, "this conversation is over; begin a new one")
        if kept.forget is not None:
            kept.forget.cancel()
            kept.forget = None
        if kept.displaced is not None and not kept.displaced.done():
            kept.displaced.set_result(None)
        kept.conversation.go_on()
        self.metrics.resumed()
        LOGGER.info("conversation %d was taken up again", kept.number)
        return kept.conversation

    def displaced(self, conversation: Conversation) -> asyncio.Future[None]:
        """Return what is done when another client takes the place of the one that asks."""
        future = asyncio.get_running_loop().create_future()
        if (kept := self._kept.get(conversation.key)) is not None:
            kept.displaced = future
        return future

    async def lost(self, conversation: Conversation) -> None:
        """Keep a conversation whose client is gone for a while, if it may come back."""
        kept = self._kept.get(conversation.key)
        if kept is None or not kept.resumable or self._ending or conversation.ended:
            await self.end(conversation, "the connection broke")
            return
        conversation.hold()
        loop = asyncio.get_running_loop()
        kept.forget = loop.call_later(self.limits.resume_s, self._forget, conversation)
        LOGGER.info("conversation %d waits for its client", kept.number)

    def refused(self, refusal: Refusal) -> None:
        """Note what a client is told; for the protocol that tells it."""
        self.metrics.refused(refusal.cause)
        LOGGER.info("refused (%s): %s", refusal.cause.value, refusal.words)

    async def end(self, conversation: Conversation, why: str) -> None:
        """End a conversation; once or more often."""
        kept = self._kept.get(conversation.key)
        if kept is None or kept.ending:
            return
        kept.ending = True
        if kept.forget is not None:
            kept.forget.cancel()
        await asyncio.to_thread(conversation.stop)  # not behind those who open
        if conversation.ended:
            self.model.give_back(conversation.monitor)
        del self._kept[conversation.key]
        self.metrics.over(conversation)
        inbox, outbox = conversation.inbox, conversation.outbox
        LOGGER.info(
            "conversation %d ended after %.1f s: %s (frames: %d, late %d, heard but dropped %d, "
            "filled in %d, not sent %d; words and events not sent: %d, requests dropped: %d)",
            kept.number, conversation.seconds, why, conversation.frames, conversation.late_frames,
            inbox.dropped_frames, inbox.filled_frames, outbox.dropped_frames,
            outbox.dropped_others, conversation.dropped_requests,
        )  # fmt: skip

    async def drain(self, patience_s: float) -> None:
        """Let nobody begin any more, wait for those who talk, and end what is left then."""
        self._ending = True
        until_s = time.monotonic() + patience_s
        while self._talking() and time.monotonic() < until_s:
            await asyncio.sleep(0.1)
        ended = Ended(Refusal(Cause.ENDING, "the server ends; come back in a while"))
        for kept in list(self._kept.values()):
            kept.conversation.outbox.put(ended)
        for kept in list(self._kept.values()):
            await self.end(kept.conversation, "the server ends")

    async def close(self) -> None:
        """End everything, and the model."""
        await self.drain(0.0)
        await asyncio.to_thread(self._workers.shutdown)
        self.model.close()

    def _forget(self, conversation: Conversation) -> None:
        task = asyncio.ensure_future(self.end(conversation, "nobody came back"))
        self._tasks.add(task)  # the loop itself would forget it
        task.add_done_callback(self._tasks.discard)

    def _talking(self) -> bool:
        return self._opening > 0 or any(kept.forget is None for kept in self._kept.values())

    def _made(self, opened: Opened, limits: Limits, codec: Codec | None) -> Conversation:
        model, loop = self.model, asyncio.get_running_loop()
        speech = max(1, round(limits.unsent_s / model.frame_s))
        return Conversation(
            secrets.token_urlsafe(16),
            opened.session,
            opened.monitor,
            Inbox(
                model.rate, model.frame_size, limits, decode=None if codec is None else codec.decode
            ),
            Outbox(loop, speech, limits.unsent_outputs),
            model.frame_s,
            partial(self._report, self._number),
            codec,
        )

    def _report(self, number: int, model_s: float | None, update: TurnUpdate) -> None:
        if model_s is not None:
            self.metrics.frame(model_s, model_s > self.model.frame_s)
        self.metrics.happened(update.events)
        if self._log_words and update.utterance is not None:
            LOGGER.info("conversation %d, the robot: %s", number, update.utterance.text)

    async def _opened(self, job: Future[Opened]) -> Opened:
        """Wait for a session; one that nobody waits for any more is closed when it comes."""
        waiting = asyncio.wrap_future(job)
        try:
            ready, _ = await asyncio.wait((waiting,), timeout=self.limits.opening_s)
        except asyncio.CancelledError:
            _leave(job, waiting)
            raise
        if not ready:
            _leave(job, waiting)
            words = f"the persona was not ready within {self.limits.opening_s:g} s; try again"
            raise Refusal(Cause.FULL, words)
        return waiting.result()


def _leave(job: Future[Opened], waiting: asyncio.Future[Opened]) -> None:
    if not waiting.cancel():
        waiting.exception()  # else asyncio would complain that nobody asked
    job.add_done_callback(_close_session)


def _close_session(job: Future[Opened]) -> None:
    if not job.cancelled() and job.exception() is None:
        job.result().session.close()
