"""Whatever peers send, as bytes or as values: refused in words or counted, and the robot talks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fuzz_support import NUMBERS, damaged, values
from hypothesis import given
from hypothesis import strategies as st
from node_support import robot, talks

from personaplex_ros.checkpoint import CheckpointFiles, TextTokenizer
from personaplex_ros.engine.words.saying import sentence_of
from personaplex_ros.node.bare.parameter_services import TYPES as PARAMETER_TYPES
from personaplex_ros.node.bare.parameter_services import ParameterServices
from personaplex_ros.node.bare.types import MessageTypes
from personaplex_ros.node.dds.definitions import DdsDefinitions
from personaplex_ros.node.parameters.definition import Parameter, When
from personaplex_ros.node.parameters.table import PARAMETERS
from personaplex_ros.node.sound.types import AUDIO_FRAME, AUDIO_INFO, AUDIO_TYPES

TYPES = MessageTypes(definitions=DdsDefinitions)
SERVICES = (
    "lifecycle_msgs/srv/ChangeState", "personaplex_ros/srv/SetPersona",
    "rcl_interfaces/srv/DescribeParameters", "rcl_interfaces/srv/GetParameters",
    "rcl_interfaces/srv/ListParameters", "rcl_interfaces/srv/SetParameters",
    "rcl_interfaces/srv/SetParametersAtomically", "std_srvs/srv/Trigger",
)  # fmt: skip


def read_classes() -> dict[str, Any]:
    """Return what the node reads from the wire, by name."""
    topics = (*AUDIO_TYPES, AUDIO_INFO, "rmw_dds_common/msg/ParticipantEntitiesInfo")
    say = TYPES.action("personaplex_ros/action/Say")
    return {
        **{name: TYPES.message(name) for name in topics},
        **{name: TYPES.service(name).Request.wire for name in SERVICES},
        "goal": say.send_goal.Request.wire,
        "result": say.get_result.Request.wire,
        "cancel": TYPES.service("action_msgs/srv/CancelGoal").Request.wire,
    }


CLASSES = read_classes()
SCALARS = {
    str: st.text(max_size=40) | st.just("ü" * 5000),
    bool: st.booleans(),
    int: NUMBERS | st.integers(0, 255),
    float: st.floats(width=32),
}


def fill(message: Any, draw: Any) -> Any:
    """Give the fields of a message values that their types allow, as far as CDR tells."""
    for name, value in vars(message).items():
        if hasattr(value, "codec"):
            fill(value, draw)
        elif isinstance(value, np.ndarray):
            if not value.size:  # those of fixed size are ids
                content = draw(st.binary(max_size=200 * value.itemsize))
                whole = content[: len(content) // value.itemsize * value.itemsize]
                setattr(message, name, np.frombuffer(whole, value.dtype).copy())
        elif isinstance(value, list):
            continue
        elif draw(st.booleans()):
            setattr(message, name, draw(SCALARS[type(value)]))
    return message


@st.composite
def messages(draw: st.DrawFn, name: str) -> Any:
    """Return a message of a type that can be written."""
    while True:
        message = fill(CLASSES[name](), draw)
        try:
            message.serialize()
        except ValueError:  # a number beyond its field
            message = CLASSES[name]()
        return message


@given(st.data())
@pytest.mark.parametrize("name", sorted(CLASSES))
def test_bytes(name: str, data: st.DataObject) -> None:
    whole = data.draw(messages(name)).serialize()
    broken = data.draw(damaged(whole) | damaged(whole[4:]).map(lambda rest: whole[:4] + rest))
    cls = CLASSES[name]
    try:
        message = cls.deserialize(broken)
    except ValueError as error:
        assert str(error).startswith(cls.codec.type_name)
    else:  # what is read is no larger than what came
        assert len(message.serialize()) <= 2 * len(broken) + 64


@pytest.mark.parametrize("kind", AUDIO_TYPES)
def test_audio(kind: str) -> None:
    parameters = {"audio_in_type": kind, "max_gap_fill_s": 0.1}
    with robot(**parameters) as one:

        @given(st.data())
        def hear(data: st.DataObject) -> None:
            message = data.draw(messages(kind))
            if kind == AUDIO_FRAME and data.draw(st.booleans()):  # else few are usable
                message.sample_rate, message.channels = 24_000, data.draw(st.integers(1, 3))
                message.data = np.zeros(data.draw(st.integers(0, 3000)), np.int16)
            if "audio_in_info" in one.bus.callbacks and data.draw(st.booleans()):
                one.bus.callbacks["audio_in_info"](data.draw(messages(AUDIO_INFO)), "driver")
            one.bus.callbacks["audio_in"](message, data.draw(st.sampled_from(("", "a", "b"))))

        hear()
        assert one.bus.diagnostics()["conversation"].values["faults"] == "0"
        assert all(len(line) < 1000 and line.isprintable() for _, line in one.bus.lines)
        if kind == AUDIO_FRAME:
            one.next_sample += 10**6
            assert talks(one)


def values_of(known: Parameter) -> st.SearchStrategy[tuple[str, Any]]:
    """Return values that may well be allowed, with the parameter's name."""
    low, high = known.minimum or 0, known.maximum or 1
    kinds: dict[type, st.SearchStrategy[Any]] = {
        float: st.floats(low, high) | st.sampled_from((low, high)),
        int: st.integers(int(low), int(high)),
        str: st.sampled_from(known.choices or ("",)),
        bool: st.booleans(),
    }
    return st.tuples(st.just(known.name), kinds[known.type])


def test_parameters() -> None:
    with robot() as one:
        ParameterServices(one.bus, one.conversation)
        value = one.bus.message("rcl_interfaces/msg/ParameterValue")
        parameter = one.bus.message("rcl_interfaces/msg/Parameter")
        names = st.sampled_from([p.name for p in PARAMETERS]) | st.text(max_size=10)
        live = [p for p in PARAMETERS if p.when is When.ANY]

        likely = st.sampled_from(live).flatmap(values_of)
        any_value = st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text()

        @given(likely | st.tuples(names, any_value), st.integers(0, 255), st.booleans())
        def set_one(chosen: tuple[str, Any], kind: int, right: bool) -> None:
            name, content = chosen
            message = value()
            message.type, field = PARAMETER_TYPES[type(content)]
            setattr(message, field, content)
            if not right:
                message.type = kind
            done = one.bus.call(
                "~/set_parameters", parameters=[parameter(name=name, value=message)]
            )
            (result,) = done.results
            assert result.successful or result.reason
            one.bus.call("~/get_parameters", names=[name])
            one.bus.call("~/describe_parameters", names=[name])

        set_one()
        assert talks(one)


@pytest.fixture(scope="module")
def tokenizer() -> TextTokenizer:
    return TextTokenizer(CheckpointFiles.find("nano").tokenizer)


TEXTS = (
    st.text(max_size=200)
    | st.text("0123456789.,:$€£%-st ndrh\u2013", max_size=60)
    | st.sampled_from(("a" * 100_000, "\0", "\ud800", "9" * 5000, "1:" * 3000, "<system>", "½ №"))
)


@given(TEXTS)
def test_texts(tokenizer: TextTokenizer, text: str) -> None:
    for read in (tokenizer.spell, lambda sentence: sentence_of(sentence, tokenizer)):
        try:
            read(text)
        except ValueError as error:
            assert str(error)


def test_requests_for_a_persona() -> None:
    texts = st.text(max_size=30) | st.sampled_from(
        ("unknown", "../../etc/passwd", "/", "\0", "~x", "a" * 9000, "a\n[ERROR] b")
    )
    with robot() as one:

        @given(texts, texts, texts)
        def ask(persona: str, text: str, voice: str) -> None:
            answer = one.bus.call("~/set_persona", persona=persona, text_prompt=text, voice=voice)
            assert answer.success or answer.message

        ask()
        assert not [text for level, text in one.bus.lines if level == "error"]
        assert all(len(line) < 1000 and line.isprintable() for _, line in one.bus.lines)
        assert talks(one)


@given(values())
def test_what_a_file_says_is_no_parameter_unless_it_fits(content: object) -> None:
    for parameter in PARAMETERS:
        try:
            assert type(parameter.check(content)) is parameter.type
        except ValueError as error:
            assert str(error).startswith(parameter.name)
