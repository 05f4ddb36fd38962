"""An independent client of rmw_zenoh's protocol: PyPI's zenoh-ros2-sdk, with its own definitions.

``python zenoh_sdk_peer.py COMMAND`` prints JSON lines; see the functions of the commands' names.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import zenoh_ros2_sdk as sdk
from zenoh_ros2_sdk import qos, utils

TIME = "int32 sec\nuint32 nanosec"
HEADER = "builtin_interfaces/Time stamp\nstring frame_id"
AUDIO = (
    "std_msgs/Header header\nuint32 sample_rate\nuint8 channels\nuint64 first_sample\nint16[] data"
)
AUDIO_FRAME = "personaplex_ros/msg/AudioFrame"
NESTED = {"std_msgs/msg/Header": HEADER, "builtin_interfaces/msg/Time": TIME}
WHOLE = AUDIO + "".join(
    f"\n{'=' * 80}\nMSG: {name.replace('/msg', '')}\n{text}" for name, text in NESTED.items()
)
AUDIO_HASH = utils.get_type_hash(AUDIO_FRAME, AUDIO, NESTED)
LATE = qos.QosProfile(durability=qos.QosDurability.TRANSIENT_LOCAL, history_depth=1)
RATE, FRAME = 24_000, 1920


def tell(**values: Any) -> None:
    print(json.dumps(values), flush=True)


def gathered(look_up: Callable[[], Any], *wanted: str) -> dict[str, Any]:
    """Ask until all is there: Zenoh's own look-up leaves some out now and then."""
    answer: dict[str, Any] = {}
    deadline = time.monotonic() + 10.0
    while not answer.keys() >= set(wanted) and time.monotonic() < deadline:
        answer |= dict(look_up())
        time.sleep(0.05)
    return answer


def look() -> None:
    """Tell what the graph has, as soon as it is found."""
    topics, hold = sdk.get_topic_names_and_types, "/motion_hold"
    tell(topics=gathered(topics, "/audio_in", "/audio_out", hold, "/parameter_events"))
    names = ("get_state", "set_parameters", "say/_action/send_goal")
    services = (f"/personaplex/{name}" for name in names)
    tell(services=gathered(sdk.get_service_names_and_types, *services))

    def ends_of_hold() -> list[tuple[str, Any]]:
        info = sdk.get_topic_info(hold, verbose=True)
        return [(hold, info)] if info and info.publishers else []

    info = gathered(ends_of_hold, hold)[hold]
    ends = [(end.node_namespace, end.node_name) for end in info.publishers]
    tell(publishers=ends, qos=[end.qos for end in info.publishers])


def late() -> None:
    """Tell the last of a latched topic, which was sent before and never again."""
    heard: list[bool] = []

    def take(message: Any) -> None:
        heard.append(bool(message.data))

    deadline = time.monotonic() + 10.0
    while not heard and time.monotonic() < deadline:
        kind = ("std_msgs/msg/Bool", take, "bool data")
        reader = sdk.ROS2Subscriber("/latched", *kind, qos=LATE)
        time.sleep(0.5)
        reader.close()
    tell(heard=heard)


def converse() -> None:
    """Send frames until frames of speech come back; tell about one."""
    spoken: list[Any] = []
    kind: dict[str, Any] = {"msg_definition": WHOLE, "type_hash": AUDIO_HASH}
    sdk.ROS2Subscriber("/audio_out", AUDIO_FRAME, spoken.append, **kind)
    out = sdk.ROS2Publisher("/audio_in", AUDIO_FRAME, **kind)
    made = sdk.ZenohSession.get_instance().store.types
    time_class, header = made["builtin_interfaces/msg/Time"], made["std_msgs/msg/Header"]
    for number in range(250):
        sec, nanosec = divmod(time.time_ns(), 1_000_000_000)
        out.publish(
            header=header(time_class(sec, nanosec), "mic"),
            sample_rate=RATE,
            channels=1,
            first_sample=number * FRAME,
            data=np.full(FRAME, 1000, np.int16),
        )
        if len(spoken) > 3:
            break
        time.sleep(0.08)
    last = spoken[-1]
    tell(rate=int(last.sample_rate), samples=len(last.data), loudest=int(np.abs(last.data).max()))


def call() -> None:
    """Call services of the node, one of them with nested messages."""
    persona = sdk.ROS2ServiceClient(
        "/personaplex/set_persona",
        "personaplex_ros/srv/SetPersona",
        "string persona\nstring text_prompt\nstring voice",
        "bool success\nstring message",
    )
    gathered(sdk.get_service_names_and_types, "/personaplex/set_persona")
    for name in ("receptionist", "nobody"):
        answer = persona.call(persona=name, text_prompt="", voice="")
        tell(success=bool(answer.success), message=answer.message)


def serve() -> None:
    """Answer a service until a request has come."""
    asked = threading.Event()
    server: Any = None

    def answer(request: Any) -> Any:
        asked.set()
        return server.response_msg_class(success=bool(request.data), message="from afar")

    server = sdk.ROS2ServiceServer(
        "/pause",
        "std_srvs/srv/SetBool",
        answer,
        "bool data",
        "bool success\nstring message",
    )
    tell(serves=True)
    asked.wait(15.0)
    time.sleep(0.3)  # for the answer to leave


if __name__ == "__main__":
    {f.__name__: f for f in (look, late, converse, call, serve)}[sys.argv[1]]()
    sdk.ZenohSession.get_instance().close()
