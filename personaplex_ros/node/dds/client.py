"""Calling a service from a tool or a test, in the calling thread."""

from __future__ import annotations

import secrets
import time
from typing import Any

from cyclonedds.core import ReadCondition, WaitSet
from cyclonedds.internal import InvalidSample
from cyclonedds.pub import DataWriter
from cyclonedds.sub import DataReader
from cyclonedds.util import duration

from personaplex_ros.node.bus import RELIABLE
from personaplex_ros.node.dds.bus import DdsBus
from personaplex_ros.node.dds.executor import ANY_NEW
from personaplex_ros.node.dds.participant import delete
from personaplex_ros.node.dds.service import endpoint_id, off_wire, on_wire

_POLL_S = 0.01
_SEQUENCE_NUMBER = 1


def call_service(bus: DdsBus, name: str, type_name: str, request: Any, timeout_s: float) -> Any:
    """Send one request and return the response.

    Raises TimeoutError saying whether the service was absent or silent.
    """
    deadline = time.monotonic() + timeout_s
    types = bus.types.service(type_name)
    absolute = bus.resolve(name, "service")
    own_id = endpoint_id("clientid")
    reader = bus.participant.reader(f"rr{absolute}Reply", types.response_wire, RELIABLE, own_id)
    writer = bus.participant.writer(f"rq{absolute}Request", types.request_wire, RELIABLE, own_id)
    try:
        if not _wait_for_server(writer, reader, deadline):
            raise TimeoutError(f"no server of {absolute} appeared within {timeout_s} s")
        client_id = secrets.randbits(64)
        writer.write(on_wire(types.request_wire, client_id, _SEQUENCE_NUMBER, request))
        reply = _wait_for_reply(bus, reader, client_id, deadline)
        if reply is None:
            raise TimeoutError(f"{absolute} did not answer within {timeout_s} s")
        return off_wire(types.Response, reply)
    finally:
        bus.participant.remove(writer)
        bus.participant.remove(reader)


def _wait_for_server(writer: DataWriter, reader: DataReader, deadline: float) -> bool:
    while not (writer.get_matched_subscriptions() and reader.get_matched_publications()):
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_S)
    return True


def _wait_for_reply(bus: DdsBus, reader: DataReader, client_id: int, deadline: float) -> Any:
    waitset = WaitSet(bus.participant.entity)
    condition = ReadCondition(reader, ANY_NEW)
    waitset.attach(condition)
    try:
        while (left := deadline - time.monotonic()) > 0:
            waitset.wait(duration(seconds=left))
            for sample in reader.take(N=RELIABLE.depth):
                if not isinstance(sample, InvalidSample) and sample.rmw_client_id == client_id:
                    return sample
        return None
    finally:
        waitset.detach(condition)
        delete(condition)
        delete(waitset)
