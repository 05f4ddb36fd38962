"""The parameter table: values, moments of change, and the files that state them."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from personaplex_ros.node.parameter import ParameterError, State, When
from personaplex_ros.node.parameter_files import read_parameter_file, render_parameter_file
from personaplex_ros.node.parameters import PARAMETERS, Parameters, lookup
from personaplex_ros.node.turn_parameters import turn_parameters
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
        "run: python -m personaplex_ros.node.parameter_files > config/personaplex.yaml"
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
        ("audio_source", "file:", "topic, device, device:NAME or file:PATH"),
        ("audio_in_type", "std_msgs/msg/String", "choose one of personaplex_ros/msg/AudioFrame"),
        ("checkpoint", "", "it must be a name or a folder"),
        ("persona", " ", "it must be a name or a path"),
        ("audio_source", "file: ", "it must be topic, device, device:NAME or file:PATH"),
        ("temperature", 0.5, "there is no parameter temperature; did you mean"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_with_the_remedy(name, value, problem):
    with pytest.raises(ParameterError) as caught:
        Parameters.of({name: value})
    assert problem in str(caught.value)


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
"""


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ("/robot/personaplex", {"seed": 2, "persona": "teacher", "greedy": True, "text_top_k": 4}),
        ("/personaplex", {"seed": 3, "persona": "teacher"}),
        ("/robot/other", {"seed": 1, "persona": "teacher"}),
    ],
)
def test_sections_of_a_parameter_file_are_taken_by_node_name(tmp_path, node, expected):
    path = tmp_path / "parameters.yaml"
    path.write_text(FILE)
    assert read_parameter_file(path, node) == expected


def test_an_empty_parameter_file_sets_nothing(tmp_path):
    path = tmp_path / "parameters.yaml"
    path.write_text("# nothing\n")
    assert read_parameter_file(path, "/personaplex") == {}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: [", "is not YAML"),
        ("seed: 1", "of the form node_name: {ros__parameters: {name: value}}"),
        ("/**:\n  ros__parameters: 5", "must be a mapping"),
    ],
)
def test_a_parameter_file_that_cannot_be_used_is_named(tmp_path, text, problem):
    path = tmp_path / "parameters.yaml"
    path.write_text(text)
    with pytest.raises(ParameterError) as caught:
        read_parameter_file(path, "/personaplex")
    assert str(path) in str(caught.value) and problem in str(caught.value)


def test_a_missing_parameter_file_is_named(tmp_path):
    with pytest.raises(ParameterError, match=r"none\.yaml cannot be read"):
        read_parameter_file(tmp_path / "none.yaml", "/personaplex")
