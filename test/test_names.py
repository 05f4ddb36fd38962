"""ROS names, remapping and arguments, against the examples of the ROS 2 design articles."""

from __future__ import annotations

import pytest

from personaplex_ros.node.hosts.names import (
    NodeName,
    ParameterOverride,
    RemapRule,
    expand,
    parse_parameter,
    parse_remap,
    parse_ros_arguments,
    remap_node,
    resolve,
    without_parameters,
)

# The table "Expanding names" of design.ros2.org/articles/topic_and_service_names.html.
EXPANSIONS = [
    ("ping", NodeName("my_node", "/"), "/ping"),
    ("ping", NodeName("my_node", "/my_ns"), "/my_ns/ping"),
    ("/ping", NodeName("my_node", "/my_ns"), "/ping"),
    ("~", NodeName("my_node", "/my_ns"), "/my_ns/my_node"),
    ("~/ping", NodeName("my_node", "/"), "/my_node/ping"),
    ("~/ping", NodeName("my_node", "/my_ns"), "/my_ns/my_node/ping"),
    ("foo/ping", NodeName("my_node", "/my_ns"), "/my_ns/foo/ping"),
]


@pytest.mark.parametrize(("name", "node", "expected"), EXPANSIONS)
def test_names_expand_as_in_the_design_article(name: str, node: NodeName, expected: str) -> None:
    assert expand(name, node) == expected


@pytest.mark.parametrize("name", ["", "/", "1st", "a//b", "a/", "a b", "~a", "/a/9", "ü", "a-b"])
def test_bad_topic_names_are_refused_and_named(name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        expand(name, NodeName("node"))


@pytest.mark.parametrize("name", ["", "a/b", "9a", "a-b"])
def test_bad_node_names_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="node name"):
        NodeName(name)


@pytest.mark.parametrize("namespace", ["", "ns", "/ns/", "/a//b"])
def test_bad_namespaces_are_refused(namespace: str) -> None:
    with pytest.raises(ValueError, match="namespace"):
        NodeName("node", namespace)


def test_logger_name_uses_dots() -> None:
    assert NodeName("talk", "/robot/head").logger == "robot.head.talk"
    assert NodeName("talk").logger == "talk"


def test_first_matching_rule_wins_and_namespace_rules_apply_first() -> None:
    rules = [
        parse_remap("__ns:=/robot"),
        parse_remap("__node:=talker"),
        parse_remap("__ns:=/late"),
        parse_remap("audio_in:=/mic/audio"),
        parse_remap("/robot/audio_in:=never"),
        parse_remap("~/reset:=restart"),
    ]
    node = remap_node(NodeName("personaplex"), rules)
    assert node == NodeName("talker", "/robot")
    assert resolve("audio_in", "topic", node, rules) == "/mic/audio"
    assert resolve("~/reset", "service", node, rules) == "/robot/restart"
    assert resolve("text", "topic", node, rules) == "/robot/text"


def test_absolute_source_matches_the_expanded_name() -> None:
    node = NodeName("n", "/ns")
    rules = [RemapRule("/ns/foo", "bar")]
    assert resolve("foo", "topic", node, rules) == "/ns/bar"
    assert resolve("/foo", "topic", node, rules) == "/foo"


def test_rules_for_another_node_or_kind_do_not_apply() -> None:
    node = NodeName("mine")
    rules = [parse_remap("other:foo:=/a"), parse_remap("rosservice://foo:=/b")]
    assert resolve("foo", "topic", node, rules) == "/foo"
    assert resolve("foo", "service", node, rules) == "/b"
    assert resolve("foo", "topic", NodeName("other"), rules) == "/a"
    assert remap_node(node, [parse_remap("other:__ns:=/x")]) == node


def test_ros_arguments_as_launch_passes_them() -> None:
    command_line = (
        "--checkpoint x --ros-args -r __node:=talk -r a:=b --params-file p.yaml "
        "-p device:=cpu -p talk:slots:=2 -p list:=[1,2.5,yes] --log-level talk:=debug "
        "--disable-rosout-logs --log-file-name talk -- tail --ros-args -p empty:=''"
    )
    parsed = parse_ros_arguments(command_line.split())
    assert parsed.rest == ("--checkpoint", "x", "tail")
    assert parsed.remaps == (RemapRule("__node", "talk"), RemapRule("a", "b"))
    assert parsed.params_files == ("p.yaml",)
    assert parsed.log_levels == (("talk", "debug"),)
    assert parsed.parameters == (
        ParameterOverride("device", "cpu"),
        ParameterOverride("slots", 2, node="talk"),
        ParameterOverride("list", [1, 2.5, True]),
        ParameterOverride("empty", ""),
    )


@pytest.mark.parametrize(
    ("levels", "level"),
    [
        ("", "info"),
        ("--log-level debug", "debug"),
        ("--log-level rcl:=debug", "info"),
        ("--log-level robot.talk:=debug", "debug"),
        ("--log-level robot:=warn --log-level debug", "warn"),
        ("--log-level rob:=warn --log-level robot.talk:=error", "error"),
    ],
)
def test_a_log_level_for_another_logger_does_not_count(levels: str, level: str) -> None:
    parsed = parse_ros_arguments(["--ros-args", *levels.split()])
    assert NodeName("talk", "/robot").log_level(parsed.log_levels) == level


def test_what_is_said_about_parameters_can_be_left_out() -> None:
    line = (
        "a -p b --ros-args -p c:=1 --params-file d -r e:=f --param g:=2 -- -p h --ros-args -p i:=3"
    )
    left = "a -p b --ros-args -r e:=f -- -p h --ros-args"
    assert without_parameters(line.split()) == left.split()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-1", 0.1),
        ("'1'", "1"),
        ("2024-01-01", "2024-01-01"),
        ("1:30", "1:30"),
        ("y", True),
        ("", ""),
        ("~", "~"),
        ("0x1F", 31),
        ("[1, 2.5]", [1, 2.5]),
    ],
)
def test_a_parameter_is_read_as_rcl_reads_it(text: str, value: object) -> None:
    parsed = parse_parameter(f"a:={text}").value
    assert (parsed, type(parsed)) == (value, type(value))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-r"], "'-r' needs a value"),
        (["-r", "nothing"], "from:=to"),
        (["-p", "nothing"], "name:=value"),
        (["-p", "a:=[1"], "not YAML"),
        (["--log-level", "loud"], "loud"),
        (["--enclave", "x"], "enclave"),
        (["--bogus"], "--bogus"),
    ],
)
def test_bad_ros_arguments_are_named(arguments: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_ros_arguments(["--ros-args", *arguments])


def test_a_parameter_value_keeps_further_colons() -> None:
    assert parse_parameter("url:='http://x:=y'").value == "http://x:=y"
