"""How a session is configured, and what is said of settings that cannot be used."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from dds_support import wait_until
from zenoh_support import free_port, router

from personaplex_ros.cli import main
from personaplex_ros.doctor import zenoh_graph
from personaplex_ros.doctor.finding import Status
from personaplex_ros.node.bare.middleware import open_bus
from personaplex_ros.node.hosts.bus import RELIABLE

pytest.importorskip("zenoh", reason="eclipse-zenoh is not installed")

from personaplex_ros.node.zenoh.configuration import LARGEST_MESSAGE, session_configuration

FILE, OVERRIDE = "ZENOH_SESSION_CONFIG_URI", "ZENOH_CONFIG_OVERRIDE"
BYTES = "std_msgs/msg/UInt8MultiArray"


def test_without_settings_it_is_a_peer_of_the_router_on_this_machine() -> None:
    made = session_configuration({})
    assert made.get_json("mode") == '"peer"'
    assert "tcp/localhost:7447" in made.get_json("connect/endpoints")
    assert made.get_json("scouting/multicast/enabled") == "false"


def test_settings_are_laid_on_a_file(tmp_path: Path) -> None:
    file = tmp_path / "session.json5"
    file.write_text('{mode: "client", connect: {endpoints: ["tcp/10.0.0.1:7447"]}}')
    override = "scouting/multicast/enabled=false; connect/timeout_ms=5000 ;"
    made = session_configuration({FILE: str(file), OVERRIDE: override})
    assert made.get_json("mode") == '"client"'
    assert "10.0.0.1" in made.get_json("connect/endpoints")
    assert made.get_json("scouting/multicast/enabled") == "false"


@pytest.mark.parametrize(
    ("variable", "text", "said"),
    [
        (OVERRIDE, "mode", "must have the form"),
        (OVERRIDE, "mode=client", 'a text needs quotes, as in mode="client"'),
        (OVERRIDE, "no/such/setting=1", "is no setting of Zenoh's"),
        (FILE, "/nowhere/session.json5", "where there is no file"),
        (FILE, __file__, "cannot be read"),
        ("ROS_DOMAIN_ID", "x", "ROS_DOMAIN_ID is 'x'"),
        ("ROS_SECURITY_STRATEGY", "Enforce", "reads no keystore"),
    ],
)
def test_what_cannot_be_used_is_named(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    variable: str,
    text: str,
    said: str,
) -> None:
    monkeypatch.setenv("RMW_IMPLEMENTATION", "rmw_zenoh_cpp")
    monkeypatch.setenv("ROS_SECURITY_ENABLE", "true")
    monkeypatch.setenv(variable, text)
    assert main(["microphone"]) == 2
    told = capsys.readouterr().err
    assert variable in told and said in told and "Traceback" not in told


def test_a_missing_package_is_named_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in sys.modules if name.startswith("personaplex_ros.node.zenoh")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "zenoh", None)  # type: ignore[arg-type]
    monkeypatch.setenv("RMW_IMPLEMENTATION", "rmw_zenoh_cpp")
    assert main(["microphone"]) == 2
    assert "zenoh is missing: pip install 'eclipse-zenoh" in capsys.readouterr().err


def test_a_port_that_another_has_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with router(monkeypatch) as port:
        monkeypatch.setenv(OVERRIDE, f'mode="router";listen/endpoints=["tcp/127.0.0.1:{port}"]')
        assert main(["microphone"]) == 2
        told = capsys.readouterr().err
    assert "no Zenoh session can be opened" in told and "Traceback" not in told


def test_a_node_without_a_router_says_so_and_is_found_when_one_comes(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with router(monkeypatch):
        pass
    port = free_port()
    monkeypatch.setenv(OVERRIDE, f'connect/endpoints=["tcp/127.0.0.1:{port}"];scouting/delay=0')
    early = open_bus("early")
    assert "no Zenoh router and no other peer found yet" in capfd.readouterr().err
    assert zenoh_graph.session(os.environ).status is Status.WARN
    monkeypatch.setenv(
        OVERRIDE, f'listen/endpoints=["tcp/127.0.0.1:{port}"];connect/endpoints=[];scouting/delay=0'
    )
    late = open_bus("late")
    out = early.advertise("hello", BYTES, RELIABLE)
    late.subscribe("hello", BYTES, RELIABLE, lambda message, _: None)
    wait_until(out.subscribers)
    early.close()
    late.close()


def test_a_message_beyond_all_bounds_is_not_put_together(monkeypatch: pytest.MonkeyPatch) -> None:
    with router(monkeypatch):
        sender, receiver = open_bus("sender"), open_bus("receiver")
        heard: list[int] = []
        receiver.subscribe("bytes", BYTES, RELIABLE, lambda m, _: heard.append(len(m.data)))
        out = sender.advertise("bytes", BYTES, RELIABLE)
        message: Any = sender.message(BYTES)
        for size in (LARGEST_MESSAGE + 1, 10):
            wait_until(out.subscribers)
            out.publish(message(data=bytes(size)))
        deadline = time.monotonic() + 10.0
        while 10 not in heard and time.monotonic() < deadline:
            time.sleep(0.2)  # the line may be closed, and made anew
            out.publish(message(data=bytes(10)))
        assert set(heard) == {10}
        sender.close()
        receiver.close()
