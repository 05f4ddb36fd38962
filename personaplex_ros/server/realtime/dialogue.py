"""The conversation of a client: it begins when there is something to hear, and anew as another."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace

import numpy as np

from personaplex_ros.engine import Sampling
from personaplex_ros.server.conversation.conversation import Conversation
from personaplex_ros.server.conversation.outputs import Ended, Speech
from personaplex_ros.server.realtime.events import Event
from personaplex_ros.server.realtime.heard import Samples
from personaplex_ros.server.realtime.invalid import Invalid
from personaplex_ros.server.realtime.items import Item
from personaplex_ros.server.realtime.responses import Responses
from personaplex_ros.server.realtime.settings import Settings
from personaplex_ros.server.sessions import Sessions
from personaplex_ros.server.wish import Wish, any_seed

PROTOCOL = "realtime"
BURST_S = 30.0
"""Of audio that may come ahead of time: many clients send a recorded question at once."""
CATCH_UP_S = 5.0
"""Of audio that was late, by client or model, and is made up for at once."""
CANCELLED_S = 1.0
"""For which the robot is silent when its response was cancelled."""

Send = Callable[[Iterable[Event]], Awaitable[None]]


class Dialogue:
    """What a client hears and says, with the events that tell of it; for one event loop.

    ended: done with the Refusal that ends the connection.
    """

    def __init__(self, sessions: Sessions, sampling: Sampling, send: Send) -> None:
        self._sessions = sessions
        self._sampling = sampling
        self._send = send
        self._limits = replace(sessions.limits, burst_s=BURST_S, catch_up_s=CATCH_UP_S)
        self._responses = Responses(sessions.model.frame_s)
        self._early: list[Samples] = []  # until there is somebody to hear it
        self._to_say: str | None = None  # likewise, to say it
        self._conversation: Conversation | None = None
        self._running: asyncio.Task[None] | None = None
        self._silenced: asyncio.TimerHandle | None = None
        self.settings = Settings.begin(sessions.model.default)
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def set(self, settings: Settings) -> bool:
        """Go on with other settings; another persona begins the conversation anew.

        Returns whether it does; then nothing waits to be heard. Raises Refusal for a persona that
        cannot be.
        """
        another = settings.persona != self.settings.persona
        if another:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(None, self._sessions.model.prepare, settings.persona)
            over, sent_ns = self._conversation, self._sent_ns
            await self.close("another persona was asked for")
            length_ns = 0 if over is None else _ns(over.seconds)
            await self._send(self._responses.end(self.settings, length_ns, sent_ns))
        if settings.turn_detection is None:
            await self._send(self._responses.tell_no_turns(self._now_ns))
        self.settings = settings
        return another

    def hear(self, samples: Samples) -> None:
        """Let the robot hear samples float32 [n]; the first begin the conversation."""
        if self._running is None:
            self._running = asyncio.ensure_future(self._run())
            self._running.add_done_callback(self._over)
        if self._conversation is None:
            self._early.append(samples)
        else:
            self._conversation.hear(samples)

    def clear(self) -> None:
        """Forget what was not heard yet."""
        self._early.clear()
        if self._conversation is not None:
            self._conversation.inbox.clear()
        self._responses.cleared(self._now_ns)

    async def commit(self, name: str | None = None) -> None:
        """Make an item of what has come, with the client's name for it if it has one."""
        await self._send(self._responses.commit(self._until_ns, name))

    async def created(self, item: Item) -> None:
        """Tell that an item of the assistant's was taken."""
        await self._send(self._responses.created(item))

    async def cancel(self) -> None:
        """End the response that is spoken; raises Invalid where there is none."""
        events = list(self._responses.cancel(self.settings))
        if not events:
            raise Invalid("nothing is being said", code="response_cancel_not_active")
        self._to_say = None
        await self._send(events)
        if (conversation := self._conversation) is not None:
            conversation.do(lambda session: session.keep_silent())
            self._speak_on(after_s=CANCELLED_S)

    async def say(self, text: str) -> None:
        """Let the robot say a text; raises Invalid for one that it cannot say."""
        try:
            self._sessions.model.check_text(text)
        except ValueError as error:
            raise Invalid(str(error), "item.content") from error
        self.hear(np.zeros(0, np.float32))
        self._speak_on(after_s=None)
        await self._send(self._responses.begin(self.settings))
        if (conversation := self._conversation) is None:
            self._to_say = text
        else:
            conversation.do(lambda session: session.say(text))

    @property
    def _now_ns(self) -> int:
        """The time of the conversation, by what was heard of it."""
        return 0 if self._conversation is None else _ns(self._conversation.seconds)

    @property
    def _sent_ns(self) -> int:
        """How much the client has sent for this conversation to hear."""
        if self._conversation is None:
            return _ns(sum(map(len, self._early)) / self._sessions.model.rate)
        return _ns(self._conversation.inbox.sent_s)

    @property
    def _until_ns(self) -> int:
        """When all that has come will have been heard."""
        if self._conversation is None:
            return self._sent_ns
        # The frame that is heard just now waits no longer, and does not count yet.
        waiting_s = self._conversation.inbox.waiting_s
        return self._now_ns + _ns(waiting_s + self._sessions.model.frame_s)

    def _speak_on(self, after_s: float | None) -> None:
        """Leave to the model what it says, after a while; None for not at all."""
        if self._silenced is not None:
            self._silenced.cancel()
            self._silenced = None
        conversation = self._conversation
        if after_s is not None and conversation is not None:
            loop = asyncio.get_running_loop()
            self._silenced = loop.call_later(
                after_s, conversation.do, lambda session: session.go_on()
            )

    async def close(self, why: str) -> None:
        """End the conversation, if there is one."""
        running, self._running = self._running, None
        if running is not None:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        self._speak_on(after_s=None)
        conversation, self._conversation = self._conversation, None
        self._early.clear()
        self._to_say = None
        if conversation is not None:
            await self._sessions.end(conversation, why)

    async def _run(self) -> None:
        """Begin a conversation and send what comes of it; raises Refusal when it is over."""
        wish = Wish(self.settings.persona, self._sampling, any_seed())
        conversation = await self._sessions.begin(wish, PROTOCOL, limits=self._limits)
        self._conversation = conversation
        self._responses.begun(conversation.sent)
        for samples in self._early:
            conversation.hear(samples)
        self._early.clear()
        if (text := self._to_say) is not None:
            conversation.do(lambda session: session.say(text))
        while True:
            for output in await conversation.outbox.take():
                if isinstance(output, Ended):
                    raise output.refusal
                events = list(self._responses.take(output, self.settings))
                if isinstance(output, Speech):
                    self._sessions.metrics.ready(time.monotonic() - output.possible_s)
                await self._send(events)

    def _over(self, running: asyncio.Task[None]) -> None:
        if running.cancelled() or self.ended.done():
            return
        error = running.exception()
        assert error is not None  # it ends by nothing else
        self.ended.set_exception(error)


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)
