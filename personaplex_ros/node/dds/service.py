"""ROS 2 services over DDS, with the request header of rmw_cyclonedds.

A service is a pair of topics whose samples begin with the client's id and a sequence number.
Server and client mark their two endpoints with one id in the user data, by which the other side
knows that both are there: a reply sent before the client's reader is matched would be lost.
Other vendors' RMWs have another header, so that nothing is sent to them or taken from them.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import fields
from typing import Any

from cyclonedds.pub import DataWriter
from cyclonedds.qos import Policy

from personaplex_ros.node.bare.endpoints import Handler
from personaplex_ros.node.bare.pending import Pending
from personaplex_ros.node.bare.types import ServiceTypes
from personaplex_ros.node.dds.executor import DdsExecutor
from personaplex_ros.node.dds.participant import Participant
from personaplex_ros.node.hosts.bus import RELIABLE
from personaplex_ros.node.hosts.vendors import CYCLONE, refusal, services_cross, vendor_of
from personaplex_ros.node.requests.topic_names import topic_in_place

_REPLY_WAIT_S = 0.1
_POLL_S = 0.001


def endpoint_id(role: str) -> str:
    """Return fresh user data "serviceid=<16 bytes>;" or "clientid=<16 bytes>;"."""
    return f"{role}={'.'.join(f'{byte:x}' for byte in secrets.token_bytes(16))};"


def on_wire(wire_class: type[Any], client_id: int, sequence_number: int, body: Any) -> Any:
    """Return a request or response with its header in front."""
    values = {field.name: getattr(body, field.name) for field in fields(body)}
    return wire_class(rmw_client_id=client_id, rmw_sequence_number=sequence_number, **values)


def off_wire(body_class: type[Any], sample: Any) -> Any:
    """Return a request or response without its header."""
    return body_class(**{f.name: getattr(sample, f.name) for f in fields(body_class)})


class DdsService:
    """A service's server: ``handler(request, respond)`` runs on the executor's thread.

    ``respond(response)`` may be called later and from any thread, once; after close() it does
    nothing.
    """

    def __init__(
        self,
        participant: Participant,
        executor: DdsExecutor,
        name: str,
        types: ServiceTypes,
        handler: Handler,
    ) -> None:
        self._lock = threading.Lock()
        self._closed = False
        self._participant = participant
        self._executor = executor
        self._types = types
        self._handler = handler
        own_id = endpoint_id("serviceid")
        self._writer = participant.writer(f"rr{name}Reply", types.Response.wire, RELIABLE, own_id)
        self._reader = participant.reader(f"rq{name}Request", types.Request.wire, RELIABLE, own_id)
        self._source = executor.read(name, self._reader, self._answer)

    def close(self) -> None:
        """Take the service out of the graph; a request that is being answered still is."""
        self._executor.remove(self._source)
        with self._lock:
            self._closed = True
        self._participant.remove(self._reader)
        self._participant.remove(self._writer)

    def _answer(self, sample: Any) -> None:
        client, sequence_number = sample.rmw_client_id, sample.rmw_sequence_number
        request_writer = sample.sample_info.publication_handle
        sender = self._reader.get_matched_publication_data(request_writer)
        if sender is not None and not speaks_as_we_do(sender, "clientid"):
            return  # what it means is not what was read; the mismatch is told in the log

        def respond(response: Any) -> None:
            answer = on_wire(self._types.Response.wire, client, sequence_number, response)
            with self._lock:
                if not self._closed:
                    self._wait_for_client(sender)
                    self._writer.write(answer)

        self._handler(off_wire(self._types.Request, sample), respond)

    def _wait_for_client(self, client: Any) -> None:
        client_id = _user_data_entry(client, "clientid") if client else None
        deadline = time.monotonic() + _REPLY_WAIT_S
        while client_id and time.monotonic() < deadline:
            if _has_reader_of(self._writer, client_id):
                return
            time.sleep(_POLL_S)


class DdsClient:
    """A service's client; replies come on the executor's thread."""

    def __init__(
        self, participant: Participant, executor: DdsExecutor, name: str, types: ServiceTypes
    ) -> None:
        self.name = name
        self._participant = participant
        self._executor = executor
        self._types = types
        self._id = secrets.randbits(64)
        self._lock = threading.Lock()
        self._pending = Pending()
        self._judged: tuple[list[int], str] = ([], "")
        own_id = endpoint_id("clientid")
        self._reader = participant.reader(f"rr{name}Reply", types.Response.wire, RELIABLE, own_id)
        self._writer = participant.writer(f"rq{name}Request", types.Request.wire, RELIABLE, own_id)
        self._source = executor.read(name, self._reader, self._take)

    def ready(self) -> bool:
        """Tell whether a server is there now, both its reader and its writer."""
        with self._lock:
            return (
                not self._pending.closed
                and not self._obstacle()
                and bool(self._writer.get_matched_subscriptions())
                and bool(self._reader.get_matched_publications())
            )

    def obstacle(self) -> str:
        """Say why a server that is there must not be called."""
        with self._lock:
            return "" if self._pending.closed else self._obstacle()

    def call(self, request: Any, callback: Callable[[Any], None]) -> None:
        """Send a request; ``callback(response)`` comes once, when and if it is answered.

        RuntimeError if a server of another vendor would get it.
        """
        with self._lock:
            if not self._pending.closed and (obstacle := self._obstacle()):
                raise RuntimeError(obstacle)
            if (number := self._pending.add(callback)) is None:
                return
            self._writer.write(on_wire(self._types.Request.wire, self._id, number, request))

    def close(self) -> None:
        """Take the client out of the graph; requests that are not answered yet never will be."""
        with self._lock:
            if not self._pending.close():
                return
        self._executor.remove(self._source)
        self._participant.remove(self._writer)
        self._participant.remove(self._reader)

    def _obstacle(self) -> str:
        """Judge the servers that are matched, anew when they are others; the lock is held."""
        handles = list(self._writer.get_matched_subscriptions())
        if handles != self._judged[0]:
            self._judged = (handles, self._judge(handles))
        return self._judged[1]

    def _judge(self, handles: list[int]) -> str:
        for server in map(self._writer.get_matched_subscription_data, handles):
            if server is not None and not speaks_as_we_do(server, "serviceid"):
                name = self.name.partition("/_action/")[0]
                theirs = vendor_of(server.key.bytes)
                return refusal(name, CYCLONE, theirs, topic_in_place(name))
        return ""

    def _take(self, sample: Any) -> None:
        if sample.rmw_client_id != self._id:
            return
        callback = self._pending.take(sample.rmw_sequence_number)
        if callback is not None:
            callback(off_wire(self._types.Response, sample))


def speaks_as_we_do(endpoint: Any, role: str) -> bool:
    """Tell whether a peer's end of a service has our header: Cyclone's own, or of its RMW."""
    vendor = vendor_of(endpoint.key.bytes)
    if vendor is None:  # as early Cyclone, which did not tell
        return _user_data_entry(endpoint, role) is not None
    return services_cross(CYCLONE, vendor)


def _has_reader_of(writer: DataWriter, client_id: str) -> bool:
    readers = (
        writer.get_matched_subscription_data(handle)
        for handle in writer.get_matched_subscriptions()
    )
    return any(r and _user_data_entry(r, "clientid") == client_id for r in readers)


def _user_data_entry(endpoint: Any, key: str) -> str | None:
    if Policy.Userdata not in endpoint.qos:
        return None
    text = endpoint.qos[Policy.Userdata].data.decode(errors="replace")
    return dict(part.split("=", 1) for part in text.split(";") if "=" in part).get(key)
