"""An independent DDS client: types written out by hand from ROS 2's wire rules, no code of ours.

Run as ``python dds_peer.py COMMAND [ARGUMENT ...]``; it prints one JSON object a line.
"""

# ruff: noqa: D101, D102
# Annotations are not postponed here: cyclonedds reads them as types.

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cyclonedds.builtin import (
    BuiltinDataReader,
    BuiltinTopicDcpsParticipant,
    BuiltinTopicDcpsPublication,
    BuiltinTopicDcpsSubscription,
)
from cyclonedds.core import Policy, Qos
from cyclonedds.domain import DomainParticipant
from cyclonedds.idl import IdlStruct
from cyclonedds.idl import types as t
from cyclonedds.internal import InvalidSample
from cyclonedds.pub import DataWriter
from cyclonedds.sub import DataReader
from cyclonedds.topic import Topic
from cyclonedds.util import duration

GIVE_UP_S = 15.0
SERVICE_TYPE = "std_srvs::srv::dds_::Trigger"


@dataclass
class Time(IdlStruct, typename="builtin_interfaces::msg::dds_::Time_"):
    sec: t.int32 = 0
    nanosec: t.uint32 = 0


@dataclass
class Duration(IdlStruct, typename="builtin_interfaces::msg::dds_::Duration_"):
    sec: t.int32 = 0
    nanosec: t.uint32 = 0


@dataclass
class Header(IdlStruct, typename="std_msgs::msg::dds_::Header_"):
    stamp: Time = field(default_factory=Time)
    frame_id: str = ""


@dataclass
class Bool(IdlStruct, typename="std_msgs::msg::dds_::Bool_"):
    data: bool = False


@dataclass
class SpeedScalingFactor(IdlStruct, typename="control_msgs::msg::dds_::SpeedScalingFactor_"):
    factor: t.float64 = -1.0


@dataclass
class IdsList(IdlStruct, typename="hri_msgs::msg::dds_::IdsList_"):
    header: Header = field(default_factory=Header)
    ids: t.sequence[str] = field(default_factory=list)


@dataclass
class AudioFrame(IdlStruct, typename="personaplex_ros::msg::dds_::AudioFrame_"):
    header: Header = field(default_factory=Header)
    sample_rate: t.uint32 = 0
    channels: t.uint8 = 0
    first_sample: t.uint64 = 0
    data: t.sequence[t.int16] = field(default_factory=list)


@dataclass
class TurnEvent(IdlStruct, typename="personaplex_ros::msg::dds_::TurnEvent_"):
    header: Header = field(default_factory=Header)
    kind: str = ""
    state: str = ""
    episode: t.uint32 = 0
    revises: str = ""
    latency: Duration = field(default_factory=Duration)
    confidence: t.float32 = 0.0


@dataclass
class TriggerRequest(IdlStruct, typename=f"{SERVICE_TYPE}_Request_"):
    guid: t.uint64 = 0
    seq: t.int64 = 0
    structure_needs_at_least_one_member: t.uint8 = 0


@dataclass
class TriggerResponse(IdlStruct, typename=f"{SERVICE_TYPE}_Response_"):
    guid: t.uint64 = 0
    seq: t.int64 = 0
    success: bool = False
    message: str = ""


@dataclass
class Gid(IdlStruct, typename="rmw_dds_common::msg::dds_::Gid_"):
    data: t.array[t.uint8, 16] = field(default_factory=lambda: bytearray(16))


@dataclass
class NodeEntitiesInfo(IdlStruct, typename="rmw_dds_common::msg::dds_::NodeEntitiesInfo_"):
    node_namespace: t.bounded_str[256] = ""
    node_name: t.bounded_str[256] = ""
    reader_gid_seq: t.sequence[Gid] = field(default_factory=list)
    writer_gid_seq: t.sequence[Gid] = field(default_factory=list)


@dataclass
class ParticipantEntitiesInfo(
    IdlStruct, typename="rmw_dds_common::msg::dds_::ParticipantEntitiesInfo_"
):
    gid: Gid = field(default_factory=Gid)
    node_entities_info_seq: t.sequence[NodeEntitiesInfo] = field(default_factory=list)


RELIABLE = Qos(
    Policy.Reliability.Reliable(duration(seconds=1)),
    Policy.Durability.Volatile,
    Policy.History.KeepLast(10),
    Policy.TypeConsistency.AllowTypeCoercion(),
)
LATCHED = Qos(
    Policy.Reliability.Reliable(duration(seconds=1)),
    Policy.Durability.TransientLocal,
    Policy.History.KeepLast(1),
)


def say(**values: Any) -> None:
    print(json.dumps(values), flush=True)


def until(condition: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + GIVE_UP_S
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(0.005)
    return value


def samples(reader: DataReader) -> list[Any]:
    return [s for s in reader.take(N=10) if not isinstance(s, InvalidSample)]


class Peer:
    def __init__(self) -> None:
        self.participant = DomainParticipant(int(os.environ["ROS_DOMAIN_ID"]))

    def reader(self, topic: str, kind: type, qos: Qos = RELIABLE) -> DataReader:
        return DataReader(self.participant, Topic(self.participant, topic, kind), qos)

    def writer(self, topic: str, kind: type, qos: Qos = RELIABLE) -> DataWriter:
        return DataWriter(self.participant, Topic(self.participant, topic, kind), qos)

    def echo_audio(self, count: str) -> None:
        """Send every frame of audio_out back on audio_in, with its samples negated."""
        reader = self.reader("rt/robot/audio_out", AudioFrame)
        writer = self.writer("rt/robot/audio_in", AudioFrame)
        until(writer.get_matched_subscriptions, "no subscriber of audio_in")
        say(ready=True)
        for _ in range(int(count)):
            (frame,) = until(lambda: samples(reader)[:1], "no frame")
            frame.first_sample += 1
            frame.data = [-x for x in frame.data]
            writer.write(frame)
        writer.wait_for_acks(duration(seconds=2))

    def turn_events(self, count: str) -> None:
        reader = self.reader("rt/robot/turn_event", TurnEvent)
        until(reader.get_matched_publications, "no publisher")
        say(ready=True)
        received = 0
        while received < int(count):
            for event in until(lambda: samples(reader), "no event"):
                say(
                    stamp=[event.header.stamp.sec, event.header.stamp.nanosec],
                    frame_id=event.header.frame_id,
                    kind=event.kind,
                    state=event.state,
                    episode=event.episode,
                    revises=event.revises,
                    latency=[event.latency.sec, event.latency.nanosec],
                    confidence=event.confidence,
                )
                received += 1

    def latched_bool(self) -> None:
        reader = self.reader("rt/robot/motion_hold", Bool, LATCHED)
        say(data=until(lambda: samples(reader), "no state")[0].data)

    def send_bool(self) -> None:
        """Publish one message, then go without a word."""
        writer = self.writer("rt/robot/hold_in", Bool)
        until(writer.get_matched_subscriptions, "no subscriber")
        writer.write(Bool(data=True))
        writer.wait_for_acks(duration(seconds=2))

    def call(self) -> None:
        reader = self.reader("rr/robot/talk/resetReply", TriggerResponse)
        writer = self.writer("rq/robot/talk/resetRequest", TriggerRequest)
        until(
            lambda: writer.get_matched_subscriptions() and reader.get_matched_publications(),
            "no server",
        )
        for seq in (7, 8):
            writer.write(TriggerRequest(guid=0xFEDCBA9876543210, seq=seq))
            (reply,) = until(lambda: samples(reader)[:1], "no reply")
            say(guid=reply.guid, seq=reply.seq, success=reply.success, message=reply.message)

    def serve(self) -> None:
        reader = self.reader("rq/robot/peer/helpRequest", TriggerRequest)
        writer = self.writer("rr/robot/peer/helpReply", TriggerResponse)
        say(ready=True)
        (request,) = until(lambda: samples(reader)[:1], "no request")
        # First the reply to somebody else's request, which the caller must not take for its own.
        writer.write(TriggerResponse(guid=request.guid ^ 1, seq=request.seq, message="other"))
        writer.write(
            TriggerResponse(guid=request.guid, seq=request.seq, success=True, message="yours")
        )
        writer.wait_for_acks(duration(seconds=2))

    def controller(self) -> None:
        """Follow speed_scaling_input as a controller that started late, factor by factor."""
        reader = self.reader("rt/robot/arm/speed_scaling_input", SpeedScalingFactor, LATCHED)
        while True:
            say(factor=until(lambda: samples(reader), "no factor")[-1].factor)

    def navigator(self, refusals: str) -> None:
        """Serve pause and resume; the first requests to resume are refused."""
        ends = {
            name: (
                self.reader(f"rq/robot/nav/{name}Request", TriggerRequest),
                self.writer(f"rr/robot/nav/{name}Reply", TriggerResponse),
            )
            for name in ("pause", "resume")
        }
        refuse = int(refusals)
        say(ready=True)
        while True:
            for name, (reader, writer) in ends.items():
                for request in samples(reader):
                    success = name == "pause" or refuse <= 0
                    refuse -= name == "resume"
                    writer.write(
                        TriggerResponse(request.guid, request.seq, success, "not paused yet")
                    )
                    say(request=name, success=success)
            time.sleep(0.005)

    def people(self) -> None:
        """Say which voices are tracked and whether they speak, at every change."""
        tracked = self.reader("rt/humans/voices/tracked", IdsList, LATCHED)
        speaking = self.reader("rt/humans/voices/anonymous_speaker/is_speaking", Bool, LATCHED)
        ids: list[str] = []
        speaks, last = False, None
        while True:
            for message in samples(tracked):
                ids = list(message.ids)
            for message in samples(speaking):
                speaks = message.data
            if (ids, speaks) != last:
                last = (ids, speaks)
                say(ids=ids, speaks=speaks)
            time.sleep(0.005)

    def graph(self) -> None:
        """Say what a graph tool learns of the first node it meets, and when the node has gone."""
        reader = self.reader("ros_discovery_info", ParticipantEntitiesInfo, LATCHED)
        participants = BuiltinDataReader(self.participant, BuiltinTopicDcpsParticipant)
        endpoints = [
            BuiltinDataReader(self.participant, topic)
            for topic in (BuiltinTopicDcpsPublication, BuiltinTopicDcpsSubscription)
        ]
        until(lambda: _complete(reader), "no node")
        info = samples(reader)[-1]
        guid = bytes(info.gid.data)
        user_data = {
            p.key.bytes: _user_data(p.qos)
            for p in participants.take(N=20)
            if p.sample_info.valid_data
        }
        found = {
            e.key.bytes: {"topic": e.topic_name, "type": e.type_name, "data": _user_data(e.qos)}
            for endpoint in endpoints
            for e in endpoint.take(N=50)
            if e.sample_info.valid_data
        }
        (node,) = info.node_entities_info_seq
        say(
            namespace=node.node_namespace,
            name=node.node_name,
            enclave=user_data[guid],
            readers=[found[bytes(g.data)] for g in node.reader_gid_seq],
            writers=[found[bytes(g.data)] for g in node.writer_gid_seq],
        )
        last = until(lambda: samples(reader), "node stays")[-1]
        say(nodes_left=len(last.node_entities_info_seq))
        until(
            lambda: any(
                p.key.bytes == guid and not p.sample_info.valid_data
                for p in participants.take(N=20)
            ),
            "participant stays",
        )
        say(gone=True)


def _complete(reader: DataReader) -> bool:
    return any(
        len(node.writer_gid_seq) >= 2 and len(node.reader_gid_seq) >= 2
        for s in reader.read(N=10)
        if not isinstance(s, InvalidSample)
        for node in s.node_entities_info_seq
    )


def _user_data(qos: Qos) -> str:
    return qos[Policy.Userdata].data.decode() if Policy.Userdata in qos else ""


if __name__ == "__main__":
    getattr(Peer(), sys.argv[1])(*sys.argv[2:])
