"""Message classes made at run time, against cyclonedds' own serialiser and ROS 2's own hashes."""

from __future__ import annotations

import array
import json
import os
import statistics
import time
from pathlib import Path
from typing import Any

import dds_peer
import numpy as np
import pytest
from cyclonedds.idl._support import Endianness
from rosbags.typesys import Stores

from personaplex_ros.node.bare.types import MessageTypes, ServiceTypes, standard_types
from personaplex_ros.node.dds.definitions import DdsDefinitions
from personaplex_ros.turns import events as turn_events

# As `ros2 topic info -v` of ROS 2 Jazzy prints them, and its installed files for a service.
PUBLISHED_HASHES = {
    "std_srvs/srv/SetBool": "abe9e4bb6b41b40e6789712c00ec8871923e089af3f667a79992a428cff2da0a",
    "std_msgs/msg/String": "df668c740482bbd48fb39d76a70dfd4bd59db1288021743503259e948f6b1a18",
    "std_msgs/msg/Bool": "feb91e995ff9ebd09c0cb3d2aed18b11077585839fb5db80193b62d74528f6c9",
    "builtin_interfaces/msg/Time": (
        "b106235e25a4c5ed35098aa0a61a3ee9c9b18d197f398b0e4206cea9acf9c197"
    ),
}
AUDIO = "personaplex_ros/msg/AudioFrame"


@pytest.fixture(scope="module")
def types() -> MessageTypes:
    return MessageTypes(definitions=DdsDefinitions)


def audio_pair(types: MessageTypes, data: Any) -> tuple[Any, Any]:
    ours, theirs = types.message(AUDIO)(), dds_peer.AudioFrame()
    for msg in (ours, theirs):
        msg.header.stamp.sec, msg.header.stamp.nanosec = -3, 999_999_999
        msg.header.frame_id = "μ"
        msg.sample_rate, msg.channels, msg.first_sample = 48000, 2, 2**63
        msg.data = data
    return ours, theirs


@pytest.mark.parametrize(("name", "digest"), PUBLISHED_HASHES.items())
def test_type_hashes_equal_those_that_ros2_prints(
    types: MessageTypes, name: str, digest: str
) -> None:
    named = types.service(name) if "/srv/" in name else types.message(name)
    assert named.type_hash == f"RIHS01_{digest}"


def classes_of(types: MessageTypes, name: str) -> dict[str, Any]:
    """Return our classes of a message, a service or an action under ROS's names of them."""
    if "/msg/" in name:
        return {name: types.message(name)}
    if "/srv/" in name:
        service = types.service(name)
        return parts_of(service)
    action = types.action(name)
    found = {
        f"{name}_Goal": action.Goal,
        f"{name}_Result": action.Result,
        f"{name}_Feedback": action.Feedback,
        f"{name}_FeedbackMessage": action.feedback_message,
    }
    for service in (action.send_goal, action.get_result):
        found |= parts_of(service)
    return found


def parts_of(service: ServiceTypes) -> dict[str, Any]:
    name = service.name
    return {
        name: service,
        f"{name}_Request": service.Request,
        f"{name}_Response": service.Response,
    }


def test_type_hashes_equal_the_files_of_an_installed_ros2(types: MessageTypes) -> None:
    prefixes = [Path(p) for p in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if p]
    names = [
        "diagnostic_msgs/msg/DiagnosticArray",
        "std_msgs/msg/Header",
        "std_srvs/srv/Trigger",
        "std_srvs/srv/SetBool",
        "std_srvs/srv/Empty",
        "rmw_dds_common/msg/ParticipantEntitiesInfo",
        AUDIO,
        "personaplex_ros/msg/TurnEvent",
        "personaplex_ros/msg/Utterance",
        "personaplex_ros/msg/UserUtterance",
        "personaplex_ros/msg/TextToken",
        "personaplex_ros/srv/SetPersona",
        "personaplex_ros/action/Say",
        "action_msgs/srv/CancelGoal",
        "action_msgs/msg/GoalStatusArray",
    ]
    compared = 0
    for name in names:
        for prefix in prefixes:
            path = prefix / "share" / f"{name}.json"
            if path.is_file():
                entries = json.loads(path.read_text())["type_hashes"]
                published = {entry["type_name"]: entry["hash_string"] for entry in entries}
                for part, made in classes_of(types, name).items():
                    assert made.type_hash == published[part], part
                    compared += 1
                break
    if not compared:
        pytest.skip("no ROS 2 with hash files on AMENT_PREFIX_PATH")


@pytest.mark.parametrize("count", [0, 1, 1920])
def test_bytes_equal_those_of_cyclonedds_in_both_directions(
    types: MessageTypes, count: int
) -> None:
    samples = np.random.default_rng(count).integers(-32768, 32768, count, dtype=np.int16)
    ours, theirs = audio_pair(types, samples.tolist())
    assert ours.serialize() == theirs.serialize()
    for endianness in (Endianness.Little, Endianness.Big):
        read = type(ours).deserialize(theirs.serialize(endianness=endianness))
        np.testing.assert_array_equal(read.data, samples)
        assert read.data.dtype == np.int16
        assert read.header.stamp.sec == -3 and read.header.frame_id == "μ"
        assert (read.sample_rate, read.channels, read.first_sample) == (48000, 2, 2**63)


@pytest.mark.parametrize(
    "data",
    [
        [1, -2],
        (1, -2),
        array.array("h", [1, -2]),
        np.array([1, -2], np.int16),
        np.array([1, 0, -2, 0], np.int16)[::2],
    ],
)
def test_samples_may_be_a_list_an_array_or_numpy(types: MessageTypes, data: Any) -> None:
    ours, theirs = audio_pair(types, [1, -2])
    ours.data = data
    assert ours.serialize() == theirs.serialize()


@pytest.mark.parametrize("data", [b"\x01\xff", bytearray(b"\x01\xff"), [1, 255]])
def test_byte_sequences_may_be_bytes(types: MessageTypes, data: Any) -> None:
    msg = types.message("audio_common_msgs/msg/AudioData")()
    msg.data = data
    assert msg.serialize() == b"\x00\x01\x00\x00" + b"\x02\x00\x00\x00" + b"\x01\xff"


@pytest.mark.parametrize("data", [[32768], np.zeros(3), array.array("i", [1]), "ab", None, b"ab"])
def test_data_that_does_not_fit_is_refused_by_name(types: MessageTypes, data: Any) -> None:
    ours, _ = audio_pair(types, data)
    with pytest.raises(ValueError, match=AUDIO):
        ours.serialize()


def test_broken_bytes_are_refused_by_name(types: MessageTypes) -> None:
    whole = audio_pair(types, [1, 2, 3])[0].serialize()
    for broken in (b"", whole[:3], whole[:20], whole[:-2], b"\xff" * 64):
        with pytest.raises(ValueError, match=AUDIO):
            types.message(AUDIO).deserialize(broken)


def test_peers_see_the_type_that_a_hand_written_client_declares(types: MessageTypes) -> None:
    for name, cls in (
        (AUDIO, dds_peer.AudioFrame),
        ("personaplex_ros/msg/TurnEvent", dds_peer.TurnEvent),
        ("std_msgs/msg/Bool", dds_peer.Bool),
    ):
        ours = types.message(name).__idl__  # type: ignore[attr-defined]
        assert ours.get_type_id() == cls.__idl__.get_type_id()
        assert ours.idl_transformed_typename == cls.__idl__.idl_transformed_typename


def test_constants_and_defaults_are_ros(types: MessageTypes) -> None:
    event = types.message("personaplex_ros/msg/TurnEvent")
    constants = {name: getattr(event, name) for name in dir(event) if name.isupper()}
    assert constants == {value.upper(): value for value in constants.values()}
    told = {v for k, v in vars(turn_events).items() if k.isupper()}
    assert set(constants.values()) == told and len(told) == 21
    status = types.message("diagnostic_msgs/msg/DiagnosticStatus")
    assert (status.OK, status.WARN, status.ERROR, status.STALE) == (0, 1, 2, 3)
    msg = types.message(AUDIO)()
    assert (msg.header.frame_id, msg.sample_rate, msg.first_sample) == ("", 0, 0)
    assert len(msg.data) == 0
    assert type(msg)().header is not msg.header
    response = types.service("std_srvs/srv/Trigger").Response()
    assert (response.success, response.message) == (False, "")


def test_two_owners_of_one_package_name_keep_their_own_types(types: MessageTypes) -> None:
    plain = types.message("audio_common_msgs/msg/AudioDataStamped")()
    rich = types.message("audio_common_msgs/msg/AudioStamped")()
    assert set(vars(plain.audio)) == {"data"}
    assert {"float32_data", "int16_data", "uint8_data"} <= set(vars(rich.audio.audio_data))
    assert set(vars(rich.audio.info)) == {"format", "channels", "rate", "chunk"}
    rich.audio.audio_data.int16_data = array.array("h", [5, -5])
    read = type(rich).deserialize(rich.serialize())
    np.testing.assert_array_equal(read.audio.audio_data.int16_data, [5, -5])
    assert types.message("foxglove_msgs/msg/RawAudio")().format == ""


@pytest.mark.parametrize("name", ["nobody/msg/Nothing", "std_msgs/Bool", "Bool", "a/srv/B/C"])
def test_unknown_types_are_named_with_the_remedy(types: MessageTypes, name: str) -> None:
    with pytest.raises(LookupError, match=name):
        types.message(name)


def test_gids_have_the_size_of_the_release() -> None:
    for distro, size in (("humble", 24), ("jazzy", 16), ("", 16)):
        types = MessageTypes(standard_types({"ROS_DISTRO": distro}))
        assert types.message("rmw_dds_common/msg/Gid")().data.size == size
    assert standard_types({}) is Stores.ROS2_JAZZY


def test_an_audio_frame_is_written_and_read_in_well_under_a_millisecond(
    types: MessageTypes,
) -> None:
    samples = array.array("h", range(1920))
    seconds = []
    for _ in range(200):
        begin = time.perf_counter()
        msg = types.message(AUDIO)()
        msg.data = samples
        type(msg).deserialize(msg.serialize())
        seconds.append(time.perf_counter() - begin)
    assert statistics.median(seconds) < 0.25e-3
