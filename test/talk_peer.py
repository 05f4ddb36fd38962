"""A robot's side of a conversation, independent of our message code: see dds_peer.py.

Run as ``python talk_peer.py COMMAND [ARGUMENT ...]``; it prints one JSON object a line.
"""

# ruff: noqa: D101, D102
# Annotations are not postponed here: cyclonedds reads them as types.

import sys
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import soundfile
from cyclonedds.core import Policy, Qos
from cyclonedds.idl import IdlStruct
from cyclonedds.idl import types as t
from dds_peer import (
    LATCHED,
    AudioFrame,
    Bool,
    Header,
    Peer,
    Time,
    TriggerRequest,
    TriggerResponse,
    TurnEvent,
    samples,
    say,
    until,
)

RATE, FRAME = 24_000, 1920
BEST_EFFORT = Qos(
    Policy.Reliability.BestEffort, Policy.Durability.Volatile, Policy.History.KeepLast(50)
)


@dataclass
class TextToken(IdlStruct, typename="personaplex_ros::msg::dds_::TextToken_"):
    header: Header = field(default_factory=Header)
    frame: t.uint64 = 0
    token: t.int32 = 0
    text: str = ""


@dataclass
class Utterance(IdlStruct, typename="personaplex_ros::msg::dds_::Utterance_"):
    header: Header = field(default_factory=Header)
    end: Time = field(default_factory=Time)
    text: str = ""
    interrupted: bool = False


@dataclass
class KeyValue(IdlStruct, typename="diagnostic_msgs::msg::dds_::KeyValue_"):
    key: str = ""
    value: str = ""


@dataclass
class DiagnosticStatus(IdlStruct, typename="diagnostic_msgs::msg::dds_::DiagnosticStatus_"):
    level: t.byte = 0
    name: str = ""
    message: str = ""
    hardware_id: str = ""
    values: t.sequence[KeyValue] = field(default_factory=list)


@dataclass
class DiagnosticArray(IdlStruct, typename="diagnostic_msgs::msg::dds_::DiagnosticArray_"):
    header: Header = field(default_factory=Header)
    status: t.sequence[DiagnosticStatus] = field(default_factory=list)


@dataclass
class SetPersonaRequest(IdlStruct, typename="personaplex_ros::srv::dds_::SetPersona_Request_"):
    guid: t.uint64 = 0
    seq: t.int64 = 0
    persona: str = ""
    text_prompt: str = ""
    voice: str = ""


@dataclass
class SetPersonaResponse(IdlStruct, typename="personaplex_ros::srv::dds_::SetPersona_Response_"):
    guid: t.uint64 = 0
    seq: t.int64 = 0
    success: bool = False
    message: str = ""


@dataclass
class Transition(IdlStruct, typename="lifecycle_msgs::msg::dds_::Transition_"):
    id: t.uint8 = 0
    label: str = ""


@dataclass
class ChangeStateRequest(IdlStruct, typename="lifecycle_msgs::srv::dds_::ChangeState_Request_"):
    guid: t.uint64 = 0
    seq: t.int64 = 0
    transition: Transition = field(default_factory=Transition)


@dataclass
class ChangeStateResponse(IdlStruct, typename="lifecycle_msgs::srv::dds_::ChangeState_Response_"):
    guid: t.uint64 = 0
    seq: t.int64 = 0
    success: bool = False


@dataclass
class ParameterValue(IdlStruct, typename="rcl_interfaces::msg::dds_::ParameterValue_"):
    type: t.uint8 = 0
    bool_value: bool = False
    integer_value: t.int64 = 0
    double_value: t.float64 = 0.0
    string_value: str = ""
    byte_array_value: t.sequence[t.byte] = field(default_factory=list)
    bool_array_value: t.sequence[bool] = field(default_factory=list)
    integer_array_value: t.sequence[t.int64] = field(default_factory=list)
    double_array_value: t.sequence[t.float64] = field(default_factory=list)
    string_array_value: t.sequence[str] = field(default_factory=list)


@dataclass
class Parameter(IdlStruct, typename="rcl_interfaces::msg::dds_::Parameter_"):
    name: str = ""
    value: ParameterValue = field(default_factory=ParameterValue)


@dataclass
class SetParametersResult(IdlStruct, typename="rcl_interfaces::msg::dds_::SetParametersResult_"):
    successful: bool = False
    reason: str = ""


@dataclass
class SetParametersRequest(IdlStruct, typename="rcl_interfaces::srv::dds_::SetParameters_Request_"):
    guid: t.uint64 = 0
    seq: t.int64 = 0
    parameters: t.sequence[Parameter] = field(default_factory=list)


@dataclass
class SetParametersResponse(
    IdlStruct, typename="rcl_interfaces::srv::dds_::SetParameters_Response_"
):
    guid: t.uint64 = 0
    seq: t.int64 = 0
    results: t.sequence[SetParametersResult] = field(default_factory=list)


@dataclass
class GetParametersRequest(IdlStruct, typename="rcl_interfaces::srv::dds_::GetParameters_Request_"):
    guid: t.uint64 = 0
    seq: t.int64 = 0
    names: t.sequence[str] = field(default_factory=list)


@dataclass
class GetParametersResponse(
    IdlStruct, typename="rcl_interfaces::srv::dds_::GetParameters_Response_"
):
    guid: t.uint64 = 0
    seq: t.int64 = 0
    values: t.sequence[ParameterValue] = field(default_factory=list)


def now() -> Time:
    return Time(*divmod(time.time_ns(), 1_000_000_000))


def nanoseconds(stamp: Time) -> int:
    return stamp.sec * 1_000_000_000 + stamp.nanosec


class Robot(Peer):
    def __init__(self) -> None:
        super().__init__()
        self.heard: dict[str, list[tuple[float, Any]]] = defaultdict(list)
        self._sent = 0
        self._stopping = threading.Event()
        self._listener: threading.Thread | None = None

    def listen(self, **topics: type) -> None:
        """Take from topics in the background, with the time of arrival, until `silence`."""
        readers = {
            name: self.reader(f"rt/{name}", kind, BEST_EFFORT) for name, kind in topics.items()
        }

        def run() -> None:
            while not self._stopping.is_set():
                for name, reader in readers.items():
                    self.heard[name] += [(time.monotonic(), s) for s in samples(reader)]
                time.sleep(0.002)

        for reader in readers.values():
            until(reader.get_matched_publications, "no publisher")
        self._listener = threading.Thread(target=run)
        self._listener.start()

    def silence(self) -> None:
        self._stopping.set()
        if self._listener is not None:
            self._listener.join()

    def speak(self, pcm: np.ndarray, writer: Any = None, chunk: int = 480) -> None:
        """Send samples at real speed in messages of 20 ms."""
        writer = writer or self._microphone()
        begin = time.monotonic()
        for first in range(0, len(pcm), chunk):
            block = pcm[first : first + chunk]
            message = AudioFrame(Header(now(), "mic"), RATE, 1, self._sent, block.tolist())
            self._sent += len(block)
            time.sleep(max(0.0, begin + (first + len(block)) / RATE - time.monotonic()))
            writer.write(message)

    def _microphone(self, topic: str = "audio_in") -> Any:
        writer = self.writer(f"rt/{topic}", AudioFrame)
        until(writer.get_matched_subscriptions, "nobody hears audio_in")
        return writer

    def diagnosed(self) -> dict[str, str]:
        """Return the values of the last diagnostics under "status/key"."""
        _, message = self.heard["diagnostics"][-1]
        return {
            f"{status.name.removeprefix('personaplex: ')}/{pair.key}": pair.value
            for status in message.status
            for pair in status.values
        }

    def fresh(self) -> dict[str, str]:
        """Return the values of diagnostics that were made when all that was sent had arrived."""
        asked_ns = time.time_ns() + 200_000_000

        def is_fresh() -> bool:
            told = self.heard["diagnostics"]
            return bool(told) and nanoseconds(told[-1][1].header.stamp) > asked_ns

        until(is_fresh, "no diagnostics")
        return self.diagnosed()

    def call(self, name: str, request: Any, response_class: type) -> Any:
        reader = self.reader(f"rr/personaplex/{name}Reply", response_class)
        writer = self.writer(f"rq/personaplex/{name}Request", type(request))
        until(
            lambda: writer.get_matched_subscriptions() and reader.get_matched_publications(),
            "no server",
        )
        request.guid, request.seq = 4711, 1
        writer.write(request)
        return until(lambda: samples(reader), "no reply")[0]

    def fleet(self, path: str, seconds: str, *robots: str) -> None:
        """Play a recording to the first robot, nothing to the others; say what each said."""
        pcm, _ = soundfile.read(path, dtype="int16")
        kinds = {"audio_out": AudioFrame, "text": TextToken}
        self.listen(
            diagnostics=DiagnosticArray,
            **{f"{robot}/{name}": kind for robot in robots for name, kind in kinds.items()},
        )
        writer = self._microphone(f"{robots[0]}/audio_in")
        self.speak(pcm[: int(float(seconds) * RATE)], writer)
        time.sleep(0.2)
        self.silence()
        said = {
            robot: {
                "frames": len(self.heard[f"{robot}/audio_out"]),
                "text": "".join(m.text for _, m in self.heard[f"{robot}/text"]),
            }
            for robot in robots
        }
        statuses = [status for _, message in self.heard["diagnostics"] for status in message.status]
        say(**said, diagnosed=sorted({(s.name, s.hardware_id) for s in statuses}))

    def converse(self, path: str, seconds: str) -> None:
        """Play a recording and say what came back."""
        pcm, rate = soundfile.read(path, dtype="int16")
        assert rate == RATE
        self.listen(
            audio_out=AudioFrame,
            text=TextToken,
            turn_event=TurnEvent,
            motion_hold=Bool,
            diagnostics=DiagnosticArray,
        )
        self.speak(pcm[: int(float(seconds) * RATE)])
        time.sleep(0.2)
        self.silence()
        speech = [s for _, s in self.heard["audio_out"]]
        say(
            first_samples=[s.first_sample for s in speech],
            stamps=[nanoseconds(s.header.stamp) for s in speech],
            formats=sorted({(s.sample_rate, s.channels, len(s.data)) for s in speech}),
            frame_ids=sorted({s.header.frame_id for s in speech}),
            delays=[nanoseconds(now()) - nanoseconds(s.header.stamp) for s in speech[-1:]],
            text=[
                [nanoseconds(s.header.stamp), s.frame, s.token, s.text]
                for _, s in self.heard["text"]
            ],
            events=[s.kind for _, s in self.heard["turn_event"]],
            holds=[at for at, _ in self.heard["motion_hold"]],
            diagnostics=[at for at, _ in self.heard["diagnostics"]],
            values=self.diagnosed(),
        )

    def latched(self) -> None:
        """Say what a late joiner learns at once."""
        for topic in ("motion_hold", "user_speaking", "robot_speaking"):
            reader = self.reader(f"rt/{topic}", Bool, LATCHED)
            say(**{topic: until(lambda r=reader: samples(r), "no state")[0].data})

    def services(self) -> None:
        self.listen(audio_out=AudioFrame)
        reset = self.call("reset", TriggerRequest(), TriggerResponse)
        persona = self.call("set_persona", SetPersonaRequest(persona="teacher"), SetPersonaResponse)
        wrong = self.call("set_persona", SetPersonaRequest(persona="pirate"), SetPersonaResponse)
        begin = time.monotonic()
        request = SetPersonaRequest(text_prompt="You are brief. " * 1400)
        long = self.call("set_persona", request, SetPersonaResponse)
        took, spoken = time.monotonic() - begin, len(self.heard["audio_out"])
        until(lambda: len(self.heard["audio_out"]) >= spoken + 5, "no speech afterwards")
        self.silence()
        answers = {"reset": reset, "persona": persona, "wrong": wrong, "long": long}
        say(took=took, **{name: [a.success, a.message] for name, a in answers.items()})

    def parameters(self) -> None:
        """Set good, bad, late and unknown parameters, and read back."""
        request = SetParametersRequest(
            parameters=[
                Parameter("text_temperature", ParameterValue(type=3, double_value=0.5)),
                Parameter("text_temperature", ParameterValue(type=3, double_value=9.0)),
                Parameter("checkpoint", ParameterValue(type=4, string_value="other")),
                Parameter("colour", ParameterValue(type=2, integer_value=1)),
                Parameter("greedy", ParameterValue(type=0)),
            ]
        )
        results = self.call("set_parameters", request, SetParametersResponse).results
        names = GetParametersRequest(names=["text_temperature", "seed", "colour"])
        values = self.call("get_parameters", names, GetParametersResponse).values
        say(
            results=[[result.successful, result.reason] for result in results],
            values=[[v.type, v.double_value, v.integer_value] for v in values],
        )

    def pause(self) -> None:
        """Deactivate and activate again; say how much was heard in each state."""
        self.listen(audio_out=AudioFrame)
        for label in ("deactivate", "activate"):
            request = ChangeStateRequest(transition=Transition(label=label))
            done = self.call("change_state", request, ChangeStateResponse).success
            time.sleep(0.2)
            before = len(self.heard["audio_out"])
            self.speak(np.zeros(RATE, np.int16))
            say(label=label, success=done, frames=len(self.heard["audio_out"]) - before)
        self.silence()

    def vanish(self) -> None:
        """Speak, go away, come back with a new stream; say what the diagnostics counted."""
        self.listen(diagnostics=DiagnosticArray, audio_out=AudioFrame)
        before = self._counted()
        for _ in range(2):
            self._sent = 0
            writer = self._microphone()
            self.speak(np.full(RATE, 1000, np.int16), writer)
            del writer
            time.sleep(1.5)
        after = self.fresh()
        self.silence()
        arrivals = [at for at, _ in self.heard["audio_out"]]
        say(before=before, after=after, longest_pause=float(np.diff(arrivals).max()))

    def duel(self) -> None:
        """Two publishers at once; say what the diagnostics counted."""
        self.listen(diagnostics=DiagnosticArray)
        before = self._counted()
        rival = Robot()
        other = threading.Thread(target=rival.speak, args=(np.full(RATE, 9000, np.int16),))
        microphone = self._microphone()
        self.speak(np.full(RATE // 5, 1000, np.int16), microphone)
        other.start()
        self.speak(np.full(RATE, 1000, np.int16), microphone)
        other.join()
        after = self.fresh()
        self.silence()
        say(before=before, after=after)

    def faults(self) -> None:
        """Send a message of every faulty kind between good ones."""
        self.listen(diagnostics=DiagnosticArray, audio_out=AudioFrame)
        before = self._counted()
        writer = self._microphone()
        good = np.full(RATE // 2, 1000, np.int16)
        self.speak(good, writer)
        for faulty in (
            AudioFrame(Header(now(), "mic"), RATE, 1, self._sent, []),
            AudioFrame(Header(now(), "mic"), RATE, 0, self._sent, [1, 2, 3]),
            AudioFrame(Header(now(), "mic"), RATE, 2, self._sent, [1, 2, 3]),
            AudioFrame(Header(now(), "mic"), 1, 1, self._sent, [1, 2, 3]),
            AudioFrame(Header(now(), "mic"), RATE, 1, self._sent, [5] * (2 * RATE)),
        ):
            writer.write(faulty)
        self.speak(good, writer)
        self._sent += FRAME
        self.speak(good, writer)
        after = self.fresh()
        self.silence()
        say(before=before, after=after)

    def _counted(self) -> dict[str, str]:
        """Return the diagnostics once the publisher of an earlier test is forgotten."""
        time.sleep(1.2)
        return self.fresh()


if __name__ == "__main__":
    getattr(Robot(), sys.argv[1])(*sys.argv[2:])
