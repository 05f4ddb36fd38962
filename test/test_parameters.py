"""The parameter table: values, moments of change, and the files that state them."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from personaplex_ros.node.hosts.names import NodeName, parse_ros_arguments
from personaplex_ros.node.parameters.definition import ParameterError, State, When
from personaplex_ros.node.parameters.files import render_parameter_file
from personaplex_ros.node.parameters.start import StartParameters, start_parameters
from personaplex_ros.node.parameters.table import PARAMETERS, Parameters, lookup
from personaplex_ros.node.parameters.turn_monitor import turn_parameters
from personaplex_ros.turns import HoldParameters, TurnParameters

CONFIG = Path(__file__).resolve().parent.parent / "config" / "personaplex.yaml"


def test_configuration_file_has_every_parameter_with_its_default():
    content = yaml.safe_load(CONFIG.read_text())
    values = content["/**"]["ros__parameters"]
    assert values == Parameters().as_dict()
    assert {name: type(value) for name, value in values.items()} == {
        parameter.name: parameter.type for parameter in PARAMETERS
    }


def test_configuration_file_describes_every_parameter_above_its_value():
    assert CONFIG.read_text() == render_parameter_file(), (
        "run: python -m personaplex_ros.node.parameters.files > config/personaplex.yaml"
    )
    comment = ""
    for line in CONFIG.read_text().splitlines()[3:]:
        text = line.strip()
        if text.startswith("#"):
            comment += text[1:]
            continue
        parameter = lookup(text.split(":")[0])
        assert parameter.description in comment.strip()
        assert parameter.when.value in comment
        comment = ""


def test_every_default_is_a_value_that_may_be_set():
    assert Parameters.of(Parameters().as_dict()) == Parameters()


def test_defaults_of_turn_taking_are_those_of_turn_taking():
    assert turn_parameters(Parameters()) == TurnParameters()
    assert Parameters().hold_timeout_s == HoldParameters().timeout_s


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("text_temperature", 0.0, "text_temperature is 0.0; it must be from 0.01 to 5"),
        ("text_temperature", float("nan"), "text_temperature is nan"),
        ("text_temperature", "hot", "'hot' of type str; it must be float"),
        ("text_top_k", 2.5, "2.5 of type float; it must be int"),
        ("text_top_k", True, "True of type bool; it must be int"),
        ("greedy", 1, "1 of type int; it must be bool"),
        ("device", "gpu", "it must be auto, cpu, cuda or cuda:N"),
        ("dtype", "int4", "choose one of auto, float32, bfloat16, float16"),
        ("audio_source", "file:", "topic, device, device:NAME, file:PATH or udp://ADDRESS:PORT"),
        ("audio_in_type", "std_msgs/msg/String", "choose one of personaplex_ros/msg/AudioFrame"),
        ("checkpoint", "", "it must be a name or a folder"),
        ("persona", " ", "it must be a name or a path"),
        (
            "audio_source",
            "file: ",
            "it must be topic, device, device:NAME, file:PATH or udp://ADDRESS:PORT",
        ),
        ("temperature", 0.5, "there is no parameter temperature; did you mean"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_with_the_remedy(name, value, problem):
    with pytest.raises(ParameterError) as caught:
        Parameters.of({name: value})
    assert problem in str(caught.value)


def test_a_parameter_that_is_a_word_of_python_is_called_so_by_ros():
    parameters = Parameters.of({"yield": "assist"})
    assert parameters.yield_ == "assist" and parameters.as_dict()["yield"] == "assist"
    assert parameters.changed({"yield": "model"}, State.ACTIVE).yield_ == "model"
    assert turn_parameters(parameters) == TurnParameters(yield_="assist")
    with pytest.raises(ParameterError, match="no parameter yield_; did you mean yield"):
        Parameters.of({"yield_": "assist"})
    with pytest.raises(ParameterError, match="yield is 'never'; choose one of model, assist"):
        Parameters.of({"yield": "never"})


def test_all_problems_are_told_at_once():
    with pytest.raises(ParameterError) as caught:
        Parameters.of({"seed": -2, "dtype": "x", "nonsense": 1})
    assert all(word in str(caught.value) for word in ("seed", "dtype", "nonsense"))


def test_an_integer_serves_as_a_float():
    value = Parameters.of({"late_audio_timeout_s": 1}).late_audio_timeout_s
    assert value == 1.0 and isinstance(value, float)


@pytest.mark.parametrize(
    ("name", "value", "latest"),
    [
        ("checkpoint", "other", State.UNCONFIGURED),
        ("max_backlog_frames", 9, State.INACTIVE),
        ("greedy", True, State.ACTIVE),
    ],
)
def test_a_parameter_may_change_up_to_its_moment(name, value, latest):
    for state in State:
        if state <= latest:
            assert getattr(Parameters().changed({name: value}, state), name) == value
        else:
            with pytest.raises(ParameterError, match="first"):
                Parameters().changed({name: value}, state)


def test_a_parameter_of_the_start_never_changes_and_the_same_value_is_no_change():
    assert lookup("hold_rate_hz").when is When.STARTUP
    with pytest.raises(ParameterError, match="start the node again"):
        Parameters().changed({"hold_rate_hz": 20.0}, State.UNCONFIGURED)
    same = Parameters().as_dict()
    assert Parameters().changed(same, State.ACTIVE) == Parameters()


FILE = """
/**:
  ros__parameters:
    seed: 1
    persona: teacher
/robot/personaplex:
  ros__parameters:
    seed: 2
robot:
  personaplex:
    ros__parameters:
      greedy: true
personaplex:
  ros__parameters:
    seed: 3
/*/personaplex:
  ros__parameters:
    text_top_k: 4
/robot/**:
  ros__parameters:
    text_prompt: Hello.
/**/personaplex:
  ros__parameters:
    audio_top_k: 5
/robot/*:
  ros__parameters:
    frame_id: head
"""
ROBOT = {"greedy": True, "text_top_k": 4, "text_prompt": "Hello.", "frame_id": "head"}


def start(tmp_path: Path, node: NodeName, *texts: str, line: str = "") -> StartParameters:
    """Return what a node starts with, given parameter files and further arguments."""
    words = ["--ros-args", *line.split()]
    for number, text in enumerate(texts):
        path = tmp_path / f"{number}.yaml"
        path.write_text(text)
        words += ["--params-file", str(path)]
    return start_parameters(parse_ros_arguments(words), node)


def refusal(tmp_path: Path, *texts: str, line: str = "") -> str:
    with pytest.raises(ParameterError) as caught:
        start(tmp_path, NODE, *texts, line=line)
    return str(caught.value)


NODE = NodeName("personaplex")


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ("/robot", {"seed": 2, "persona": "teacher", "audio_top_k": 5, **ROBOT}),
        ("/", {"seed": 3, "persona": "teacher", "audio_top_k": 5}),
        ("/a/b", {"seed": 1, "persona": "teacher", "audio_top_k": 5}),
    ],
)
def test_sections_of_a_parameter_file_are_taken_by_node_name(tmp_path, node, expected):
    found = start(tmp_path, NodeName("personaplex", node), FILE)
    assert found.parameters == Parameters.of(expected) and not found.remarks


def test_the_tags_of_lyricals_parameter_files_say_which_type_is_meant(tmp_path):
    text = """
/**:
  ros__parameters: {text_prompt: !!str true, greedy: !!bool yes, hold_timeout_s: !!float 8}
"""
    found = start(tmp_path, NODE, text).parameters
    assert (found.text_prompt, found.greedy, found.hold_timeout_s) == ("true", True, 8.0)


def test_what_comes_later_wins_and_single_arguments_win_over_files(tmp_path):
    files = [f"/**: {{ros__parameters: {{seed: {seed}, text_top_k: 7}}}}" for seed in (1, 2)]
    assert start(tmp_path, NODE, *files).parameters.seed == 2
    found = start(tmp_path, NODE, *files, line="-p seed:=3 -p other:seed:=4").parameters
    assert (found.seed, found.text_top_k) == (3, 7)


SHARED = """
/**:
  ros__parameters:
    use_sim_time: false
    robot_radius: 0.3
    seed: 5
    text_temprature: 0.5
    gains: {p: 1, d: [2, 3]}
    qos_overrides:
      /audio_in: {subscription: {depth: 3}}
other_node:
  ros__parameters:
    seed: many
"""


def test_what_other_nodes_have_in_a_shared_file_is_passed_over_and_told(tmp_path):
    found = start(tmp_path, NODE, SHARED)
    assert found.parameters == Parameters.of({"seed": 5})
    assert found.of_every_node == {"use_sim_time": False}
    (warned, near), (told, names) = found.remarks
    assert (warned, told) == ("warn", "info")
    assert "no parameter text_temprature; did you mean text_temperature?" in near
    for name in ("0.yaml, under /**:", "robot_radius, text_temprature, gains.p, gains.d, qos_"):
        assert name in names


def test_under_the_own_name_and_as_an_argument_an_unknown_name_is_refused(tmp_path):
    text = "personaplex: {ros__parameters: {text_temprature: 1.0, gains: {p: 1}}}"
    told = refusal(tmp_path, text, line="-p colour:=red")
    for expected in (
        "0.yaml, under /personaplex: there is no parameter text_temprature; did you mean text_tem",
        "no parameter gains.p",
        "; there is no parameter colour",
    ):
        assert expected in told


def test_a_section_for_another_namespace_is_pointed_at(tmp_path):
    found = start(
        tmp_path, NodeName("personaplex", "/robot1"), "personaplex: {ros__parameters: {seed: 1}}"
    )
    ((level, text),) = found.remarks
    assert level == "warn" and "/personaplex and none for this node, /robot1/personaplex" in text
    assert "/**/personaplex" in text and found.parameters.seed == Parameters().seed


@pytest.mark.parametrize("text", ["# nothing", "/**:\n  ros__parameters:\n", "a: &x {}"])
def test_a_parameter_file_may_set_nothing(tmp_path, text):
    assert start(tmp_path, NODE, text).parameters == Parameters()


def test_off_needs_no_quotes(tmp_path):
    text = "/**:\n  ros__parameters: {echo_cancellation: off, record: off}\n"
    found = start(tmp_path, NODE, text).parameters
    assert (found.echo_cancellation, found.record) == ("off", "off")
    with pytest.raises(ParameterError, match="write it in quotes"):
        found.changed({"echo_cancellation": True}, State.ACTIVE)


def test_an_alias_stands_for_what_it_names(tmp_path):
    text = "a: &own\n  ros__parameters: {seed: 1}\npersonaplex: *own\n"
    assert start(tmp_path, NODE, text).parameters.seed == 1


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: [", "is not YAML"),
        ("a: &x {b: *x}", "contains itself"),
        ("seed: 1", "/seed must be of the form node_name: {ros__parameters: {name: value}}"),
        ("- seed", "the file must be of the form"),
        ("personaplex: {seed: 1}", "/personaplex/seed must be of the form"),
        ("/**:\n  ros__parameters: 5", "must be a mapping"),
        ("/robot*: {ros__parameters: {seed: 1}}", "* must be a whole part of the name"),
        ("/**: {ros__parameters: {seed: [1, 2]}}", "seed is [1, 2] of type list; it must be int"),
        ("/**: {ros__parameters: {seed: 25.0}}", "it must be int: write 25"),
        ("/**: {ros__parameters: {hold_timeout_s: true}}", "it must be float"),
        ("/**: {ros__parameters: {persona: 7}}", "it must be str: write it in quotes"),
        ("/**: {ros__parameters: {use_sim_time: 1}}", "use_sim_time is 1; it must be true or"),
    ],
)
def test_a_parameter_file_that_cannot_be_used_is_named(tmp_path, text, problem):
    told = refusal(tmp_path, text)
    assert str(tmp_path / "0.yaml") in told and problem in told


def test_a_missing_parameter_file_is_named(tmp_path):
    assert "none.yaml cannot be read" in refusal(tmp_path, line="--params-file none.yaml")
