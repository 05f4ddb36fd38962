"""rmw_zenoh's names and headers against other statements of them: the SDK's, and its source's."""

from __future__ import annotations

import pytest

from personaplex_ros.node.hosts.bus import LATCHED, SENSOR, Qos
from personaplex_ros.node.zenoh.wire import Attachment, Entity, Subject, entity_of, gid_of, qos_text

HASH = "RIHS01_df668c740482bbd48fb39d76a70dfd4bd59db1288021743503259e948f6b1a18"
STRING = "std_msgs::msg::dds_::String_"
TEXT = Subject("/robot1/text", STRING, HASH, qos_text(LATCHED))
NODE = Entity(2, "aac3178e", "0", "0", "NN", "/", "/robot1", "personaplex")
PUBLISHER = Entity(2, "aac3178e", "0", "10", "MP", "/", "/robot1", "personaplex", TEXT)


def test_tokens_and_keys_are_those_of_the_sdk() -> None:
    sdk = pytest.importorskip("zenoh_ros2_sdk", reason="zenoh-ros2-sdk is not installed")
    kinds, keys, qos = sdk.entity, sdk.keyexpr, sdk.qos
    node = kinds.NodeEntity(2, "aac3178e", 0, "personaplex", "/robot1")
    assert NODE.token() == keys.node_liveliness_keyexpr(node)
    profile = qos_text(LATCHED)
    end = kinds.EndpointEntity(
        node, 10, kinds.EntityKind.PUBLISHER, "/robot1/text", STRING, HASH, profile
    )
    assert PUBLISHER.token() == keys.endpoint_liveliness_keyexpr(end)
    assert TEXT.key(2) == keys.topic_keyexpr(2, "/robot1/text", STRING, HASH)
    for ours in (LATCHED, SENSOR):
        theirs = qos.QosProfile.decode(qos_text(ours))
        assert (theirs.reliability == qos.QosReliability.RELIABLE) == ours.reliable
        latched = theirs.durability == qos.QosDurability.TRANSIENT_LOCAL
        assert (latched, theirs.history_depth) == (ours.transient_local, ours.depth)
        assert theirs.deadline == qos.DURATION_INFINITE


def test_an_attachment_is_that_of_the_sdk() -> None:
    sdk = pytest.importorskip("zenoh_ros2_sdk", reason="zenoh-ros2-sdk is not installed")
    gid = gid_of(PUBLISHER.token())
    ours = Attachment(7, 1_700_000_000_000_000_001, gid)
    theirs = sdk.attachment.Attachment(7, 1_700_000_000_000_000_001, gid)
    assert ours.to_bytes() == theirs.to_bytes()
    assert Attachment.of(theirs.to_bytes()) == ours


@pytest.mark.parametrize("entity", [NODE, PUBLISHER])
def test_a_token_is_read_as_it_was_written_also_with_what_later_releases_add(
    entity: Entity,
) -> None:
    assert entity_of(entity.token()) == entity
    if entity.subject is not None:
        assert entity_of(f"{entity.token()}/backends:cpu") == entity


@pytest.mark.parametrize(
    ("token", "kind", "depth"),
    [
        (
            f"8b20917502ee955ac4476e0266340d5c/0/10/MP/%/%/talker/%chatter/{STRING}/{HASH}/::,7",
            "MP",
            7,
        ),
        (
            f"aac3178e146ba6f1fc6e6a4085e77f21/0/10/MS/%/%/listener/%chatter/{STRING}/{HASH}/::,10",
            "MS",
            10,
        ),
    ],
)
def test_the_examples_of_rmw_zenohs_design_are_read_and_written(
    token: str, kind: str, depth: int
) -> None:
    whole = f"@ros2_lv/0/{token}:,:,:,,"
    entity = entity_of(whole)
    assert entity is not None and entity.subject is not None
    assert (entity.kind, entity.namespace, entity.name) == (kind, "/", "/chatter")
    assert entity.subject.key(0) == f"0/chatter/{STRING}/{HASH}"
    profile = Qos(reliable=True, transient_local=False, depth=depth)
    assert entity.subject.qos == qos_text(profile)
    assert entity.token() == whole


def test_a_node_of_rmw_zenohs_design_is_read() -> None:
    token = "@ros2_lv/0/aac3178e146ba6f1fc6e6a4085e77f21/0/0/NN/%/%/listener"
    entity = entity_of(token)
    assert entity is not None and (entity.name, entity.token()) == ("/listener", token)


@pytest.mark.parametrize(
    "token",
    [
        "@ros2_lv",
        "@ros2_lv/0/3d1f/4/9/MS/%/%/talker",
        "@ros2_lv/x/3d1f/4/4/NN/%/%/talker",
        "@ros2_lv/0/3d1f/4/4/XX/%/%/talker",
        "0/chatter/a/b/c/d/e/f/g",
    ],
)
def test_other_tokens_are_passed_over(token: str) -> None:
    assert entity_of(token) is None


@pytest.mark.parametrize("data", [b"", bytes(32), bytes(33), b"sequence_number" + bytes(18)])
def test_other_attachments_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="is not rmw_zenoh's"):
        Attachment.of(data)
