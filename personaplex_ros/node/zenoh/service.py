"""ROS 2 services as queries, with rmw_zenoh's attachment: sequence number, time, client's gid."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import zenoh
from zenoh.handlers import Callback

from personaplex_ros.node.bare.codec import Unreadable
from personaplex_ros.node.bare.endpoints import Handler
from personaplex_ros.node.bare.executor import Log
from personaplex_ros.node.bare.pending import Pending
from personaplex_ros.node.bare.types import ServiceTypes
from personaplex_ros.node.hosts.bus import RELIABLE
from personaplex_ros.node.zenoh.executor import ZenohExecutor
from personaplex_ros.node.zenoh.graph import Graph
from personaplex_ros.node.zenoh.wire import Attachment, Subject, gid_of

LONGEST_ANSWER_S = 1e9
"""How long an answer may take: the result of an action is one, too."""


class ZenohService:
    """A service's server: ``handler(request, respond)`` runs on the executor's thread."""

    def __init__(
        self,
        graph: Graph,
        executor: ZenohExecutor,
        subject: Subject,
        types: ServiceTypes,
        handler: Handler,
    ) -> None:
        self._graph = graph
        self._key = subject.key(graph.domain)
        self._types = types
        self._handler = handler
        self._executor = executor
        self._closed = threading.Event()
        self._source = executor.queue(subject.name, RELIABLE.depth, self._answer)
        self._queryable = graph.session.declare_queryable(
            self._key, Callback(self._source.put, indirect=False), complete=True
        )
        self._token = graph.declare("SS", subject)

    def close(self) -> None:
        """Take the service out of the graph; a request that is being answered still is."""
        if not self._closed.is_set():
            self._executor.remove(self._source)
            self._closed.set()
            self._graph.undeclare(self._token)
            self._queryable.undeclare()

    def _answer(self, query: Any) -> None:
        try:
            asked, request = self._read(query)
        except Unreadable as error:
            query.reply_err(str(error))
            query.drop()
            raise

        def respond(response: Any) -> None:
            attachment = Attachment(asked.sequence_number, time.time_ns(), asked.gid)
            data = response.codec.encode(response)
            if not self._closed.is_set():
                query.reply(self._key, data, attachment=attachment.to_bytes())
            query.drop()

        self._handler(request, respond)

    def _read(self, query: Any) -> tuple[Attachment, Any]:
        if query.payload is None or query.attachment is None:
            raise Unreadable("a request without payload or attachment is not rmw_zenoh's")
        asked = Attachment.of(query.attachment.to_bytes())
        return asked, self._types.Request.codec.decode(query.payload.to_bytes())


class ZenohClient:
    """A service's client; replies come on the executor's thread."""

    def __init__(
        self,
        graph: Graph,
        executor: ZenohExecutor,
        subject: Subject,
        types: ServiceTypes,
        log: Log,
    ) -> None:
        self._graph, self._executor = graph, executor
        self._subject, self._types, self._log = subject, types, log
        self._pending = Pending()
        self._source = executor.queue(subject.name, None, self._take)
        self._token = graph.declare("SC", subject)
        self._gid = gid_of(self._token)

    def ready(self) -> bool:
        """Tell whether a server is there now."""
        return not self._pending.closed and self._graph.count("SS", self._subject) > 0

    def obstacle(self) -> str:
        """Know nothing against a server: all of Zenoh have one header."""
        return ""

    def call(self, request: Any, callback: Callable[[Any], None]) -> None:
        """Send a request; ``callback(response)`` comes once, when and if it is answered."""
        data = request.codec.encode(request)
        number = None if self._graph.session.is_closed() else self._pending.add(callback)
        if number is None:
            return
        handler: Callback[Any] = Callback(
            lambda reply: self._source.put((number, reply)),
            lambda: self._source.put((number, None)),
            indirect=False,
        )
        self._graph.session.get(
            self._subject.key(self._graph.domain),
            handler,
            target=zenoh.QueryTarget.ALL_COMPLETE,
            consolidation=zenoh.ConsolidationMode.NONE,
            timeout=LONGEST_ANSWER_S,
            payload=data,
            attachment=Attachment(number, time.time_ns(), self._gid).to_bytes(),
        )

    def close(self) -> None:
        """Take the client out of the graph; requests that are not answered yet never will be."""
        if self._pending.close():
            self._executor.remove(self._source)
            self._graph.undeclare(self._token)

    def _take(self, numbered: tuple[int, Any]) -> None:
        number, reply = numbered
        callback = self._pending.take(number)
        if callback is None or reply is None:  # a second answer, or the end without one
            return
        if reply.ok is None:
            self._log("warn", f"{self._subject.name} refused a request: {_words(reply)}")
            return
        callback(self._types.Response.codec.decode(reply.ok.payload.to_bytes()))


def _words(reply: Any) -> str:
    return repr(reply.err.payload.to_bytes()[:200].decode(errors="replace"))
