"""The environment of ROS 2 nodes: domain, discovery range, peers."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from cyclonedds.core import DDSException
from dds_support import loopback, own_domain, process, wait_until

from personaplex_ros.node.dds.bus import DdsBus
from personaplex_ros.node.dds.domain import applied, domain_settings
from personaplex_ros.node.hosts.bus import LATCHED, Qos

LISTENER = """
import sys, time, json
from personaplex_ros.node.hosts.bus import LATCHED
from personaplex_ros.node.dds.bus import DdsBus
heard = []
bus = DdsBus("listener")
bus.subscribe("state", "std_msgs/msg/Bool", LATCHED, lambda msg, source: heard.append(msg.data))
deadline = time.monotonic() + float(sys.argv[1])
while not heard and time.monotonic() < deadline:
    time.sleep(0.01)
bus.close()
print(json.dumps({"heard": heard}))
"""


CHOICE = (
    "<CycloneDDS><Domain><General><Interfaces>"
    '<NetworkInterface name="lo"/>'
    "</Interfaces></General></Domain></CycloneDDS>"
)


def configuration(**environment: str) -> ElementTree.Element:
    return ElementTree.fromstring(domain_settings(environment, 42).configuration)


def test_the_default_is_domain_0_on_the_subnet_with_multicast() -> None:
    assert domain_settings({}, 1).domain_id == 0
    tree = configuration()
    assert tree.find(".//AllowMulticast") is None and tree.find(".//Peer") is None


def test_static_peers_are_asked_and_cyclonedds_uri_comes_last() -> None:
    tree = configuration(ROS_STATIC_PEERS="10.0.0.2;robot.local")
    assert [p.get("address") for p in tree.iter("Peer")] == ["10.0.0.2", "robot.local"]
    settings = domain_settings({"CYCLONEDDS_URI": "file:///etc/dds.xml"}, 1)
    assert settings.configuration.endswith(",file:///etc/dds.xml")


@pytest.mark.parametrize(
    "environment", [{"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}, {"ROS_LOCALHOST_ONLY": "1"}]
)
def test_localhost_asks_only_this_machine(environment: dict[str, str]) -> None:
    tree = configuration(**environment)
    assert tree.findtext(".//AllowMulticast") == "false"
    assert [p.get("address") for p in tree.iter("Peer")] == ["localhost"]
    assert [i.get("address") for i in tree.iter("NetworkInterface")] == ["127.0.0.1"]


@pytest.mark.parametrize(
    ("written", "added"),
    [(CHOICE, False), (f"<!-- {CHOICE} --><CycloneDDS/>", True), ("<CycloneDDS/>", True)],
)
@pytest.mark.parametrize("where", ["text", "path", "url"])
def test_localhost_leaves_the_interfaces_to_the_user_who_chooses_them(
    tmp_path: Path, written: str, added: bool, where: str
) -> None:
    file = tmp_path / "dds.xml"
    file.write_text(written)
    uri = {"text": written, "path": f"{tmp_path}/none.xml, {file}", "url": f"file://{file}"}[where]
    environment = {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST", "CYCLONEDDS_URI": uri}
    base = domain_settings(environment, 1).configuration.removesuffix(uri)
    assert ("127.0.0.1" in base) is added and "localhost" in base


def test_localhost_goes_together_with_a_choice_of_the_loopback_interface(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loopback(monkeypatch)
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    DdsBus("alone").close()


def test_off_sets_the_process_apart() -> None:
    tree = configuration(ROS_AUTOMATIC_DISCOVERY_RANGE="OFF", ROS_STATIC_PEERS="10.0.0.2")
    assert tree.findtext(".//Tag") == "ros_discovery_off_42"
    assert tree.find(".//Peer") is None


def test_system_default_leaves_everything_to_cyclonedds() -> None:
    environment = {"ROS_AUTOMATIC_DISCOVERY_RANGE": "SYSTEM_DEFAULT"}
    assert domain_settings(environment, 1).configuration == ""


@pytest.mark.parametrize("value", ["-1", "233", "x", "1.5"])
def test_a_bad_domain_id_is_named(value: str) -> None:
    with pytest.raises(ValueError, match=f"ROS_DOMAIN_ID is '{value}'"):
        domain_settings({"ROS_DOMAIN_ID": value}, 1)


def test_a_bad_range_is_named() -> None:
    with pytest.raises(ValueError, match="ROS_AUTOMATIC_DISCOVERY_RANGE is 'NEAR'"):
        domain_settings({"ROS_AUTOMATIC_DISCOVERY_RANGE": "NEAR"}, 1)


def test_a_graph_that_must_be_secured_is_not_joined_without_security() -> None:
    secured = {"ROS_SECURITY_ENABLE": "true", "ROS_SECURITY_STRATEGY": "Enforce"}
    with pytest.raises(ValueError, match=r"ROS_SECURITY_STRATEGY is 'Enforce'.*under ROS 2"):
        domain_settings(secured, 1)
    for other in ({"ROS_SECURITY_ENABLE": "false"}, {"ROS_SECURITY_STRATEGY": "Permissive"}):
        assert domain_settings(secured | other, 1).domain_id == 0


def test_a_message_beyond_all_bounds_is_not_put_together(bus: DdsBus) -> None:
    kind = "personaplex_ros/msg/AudioFrame"
    heard: list[int] = []
    reliable = Qos(reliable=True, transient_local=False, depth=1)
    bus.subscribe("audio_in", kind, reliable, lambda msg, _: heard.append(len(msg.data)))
    out = bus.advertise("audio_in", kind, reliable)
    wait_until(out.subscribers)
    for samples in (20_000_000, 1920):
        message = bus.message(kind)()
        message.data = np.zeros(samples, np.int16)
        with contextlib.suppress(DDSException):  # it is not even sent
            out.publish(message)
    wait_until(lambda: heard)
    assert heard == [1920]


@pytest.mark.parametrize("before", [None, "<CycloneDDS/>"])
def test_the_environment_is_put_back(monkeypatch: pytest.MonkeyPatch, before: str | None) -> None:
    monkeypatch.delenv("CYCLONEDDS_URI", raising=False)
    if before is not None:
        monkeypatch.setenv("CYCLONEDDS_URI", before)
    with pytest.raises(RuntimeError), applied("<X/>"):
        assert os.environ["CYCLONEDDS_URI"] == "<X/>"
        raise RuntimeError
    assert os.environ.get("CYCLONEDDS_URI") == before


@pytest.mark.parametrize(
    ("reach", "seconds", "heard"), [("LOCALHOST", 10.0, [True]), ("OFF", 2.0, [])]
)
def test_two_processes_meet_as_the_discovery_range_says(
    monkeypatch: pytest.MonkeyPatch, reach: str, seconds: float, heard: list[bool]
) -> None:
    own_domain(monkeypatch)
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", reach)
    bus = DdsBus("talker")
    try:
        bus.advertise("state", "std_msgs/msg/Bool", LATCHED).publish(
            bus.message("std_msgs/msg/Bool")(data=True)
        )
        with process("-c", LISTENER, str(seconds)) as listener:
            assert listener.line() == {"heard": heard}
    finally:
        bus.close()
