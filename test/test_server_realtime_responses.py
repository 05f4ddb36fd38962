"""What a client of the Realtime protocol is sent, held against the types of OpenAI's own client."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from openai.types.realtime import RealtimeServerEvent
from pydantic import TypeAdapter

from personaplex_ros.engine import Persona
from personaplex_ros.server.conversation.outputs import Output, Speech, Words
from personaplex_ros.server.conversation.sent_time import SentTime
from personaplex_ros.server.realtime.responses import Responses
from personaplex_ros.server.realtime.settings import Settings
from personaplex_ros.turns import TurnEvent

SETTINGS = Settings.begin(Persona("host", "You are Ann.", "NATF0"))
KNOWN: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)
FRAME_S = 0.08


def speech(number: int) -> Speech:
    return Speech(number, np.full(1920, number / 100, np.float32), 0.0)


def turn(kind: str, frame: float) -> TurnEvent:
    at_ns = round(frame * FRAME_S * 1e9)
    return TurnEvent(kind, at_ns, at_ns, 1.0)


def events_of(outputs: Iterable[Output], settings: Settings = SETTINGS) -> list[dict[str, Any]]:
    responses = Responses(FRAME_S)
    events = [event for output in outputs for event in responses.take(output, settings)]
    for event in events:
        if not event["type"].startswith("personaplex."):
            KNOWN.validate_python(event, strict=True)
    return [event for event in events if event["type"] != "personaplex.turn_event"]


def kinds(events: Iterable[dict[str, Any]]) -> list[str]:
    """Return the types, those in a row once."""
    found = [event["type"] for event in events]
    return [kind for kind, before in zip(found, ["", *found], strict=False) if kind != before]


def numbers(events: Iterable[dict[str, Any]]) -> list[int]:
    """Return of which frames the sound is."""
    deltas = [event["delta"] for event in events if event["type"].endswith("output_audio.delta")]
    return [
        round(np.frombuffer(base64.b64decode(delta), "<i2")[0] / 327.68) for delta in deltas
    ]  # fmt: skip


BEGUN = [
    "response.created", "response.output_item.added", "conversation.item.added",
    "response.content_part.added",
]  # fmt: skip
DONE = [
    "response.output_audio.done", "response.output_audio_transcript.done",
    "response.content_part.done", "response.output_item.done", "conversation.item.done",
    "response.done",
]  # fmt: skip


def test_a_response_has_the_sound_from_its_onset_on_and_the_words_before_it() -> None:
    outputs: list[Output] = [speech(n) for n in range(10)]
    # What the model says at frame 8 is heard a frame later, so the onset of frame 8 is at 9.
    outputs += [Words(9, " Hel"), turn("robot_started", 9.2), speech(10), Words(10, "lo")]
    outputs += [turn("robot_stopped", 11), *(speech(n) for n in range(11, 40))]
    events = events_of(outputs)
    assert kinds(events) == [
        *BEGUN, "response.output_audio.delta", "response.output_audio_transcript.delta",
        "response.output_audio.delta", "response.output_audio_transcript.delta",
        "response.output_audio.delta", *DONE,
    ]  # fmt: skip
    assert numbers(events) == list(range(8, 21))  # 0.8 s after it fell silent it is over
    response = events[-1]["response"]
    assert response["status"] == "completed"
    assert response["output"][0]["content"] == [{"type": "output_audio", "transcript": "Hello"}]


def test_a_breath_does_not_end_a_response() -> None:
    outputs: list[Output] = [speech(0), turn("robot_started", 1), turn("robot_stopped", 2)]
    outputs += [*(speech(n) for n in range(1, 8)), turn("robot_started", 9)]
    outputs += [speech(n) for n in range(8, 40)]
    assert numbers(events_of(outputs)) == list(range(40))


def test_who_breaks_in_cancels_the_response() -> None:
    outputs: list[Output] = [speech(0), turn("robot_started", 1), turn("user_started", 2)]
    outputs += [
        turn("user_started", 2),
        turn("interruption", 2),
        speech(1),
        turn("robot_yielded", 3),
        speech(2),
    ]
    outputs += [turn("robot_stopped", 3), turn("user_stopped", 9)]
    events = events_of(outputs)
    assert kinds(events) == [
        *BEGUN, "response.output_audio.delta", "input_audio_buffer.speech_started",
        "response.output_audio.delta", *DONE, "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed", "conversation.item.added", "conversation.item.done",
    ]  # fmt: skip
    assert events[-5]["response"]["status_details"]["reason"] == "turn_detected"
    user, robot = events[-1]["item"]["id"], events[-5]["response"]["output"][0]["id"]
    assert events[-1]["previous_item_id"] == robot != user
    assert {event["item_id"] for event in events if "speech_st" in event["type"]} == {user}


def test_without_turn_detection_nothing_is_told_of_the_persons_turns() -> None:
    quiet = Settings(SETTINGS.persona, None)
    assert events_of([turn("user_started", 1), turn("user_stopped", 9)], quiet) == []


def test_the_rest_of_what_was_cancelled_is_not_sent_but_what_is_said_next() -> None:
    responses = Responses(FRAME_S)
    assert list(responses.cancel(SETTINGS)) == []

    def sent(*outputs: Output) -> list[dict[str, Any]]:
        return [event for output in outputs for event in responses.take(output, SETTINGS)
                if event["type"] != "personaplex.turn_event"]  # fmt: skip

    sent(speech(0), turn("robot_started", 1))
    cancelled = list(responses.cancel(SETTINGS))
    assert cancelled[-1]["response"]["status_details"]["reason"] == "client_cancelled"
    assert list(responses.cancel(SETTINGS)) == []
    assert sent(speech(1), Words(1, " and"), turn("robot_stopped", 2), speech(2)) == []
    assert kinds(sent(turn("robot_started", 3), speech(3)))[: len(BEGUN)] == BEGUN


def test_what_is_said_after_a_response_that_was_cancelled_unheard_is_sent_from_its_onset_on() -> (
    None
):
    responses = Responses(FRAME_S)
    list(responses.begin(SETTINGS))
    list(responses.cancel(SETTINGS))
    said: list[Output] = [speech(1), speech(2), Words(2, " The"), turn("robot_started", 3)]
    events = [event for output in said for event in responses.take(output, SETTINGS)]
    assert numbers(events) == [2]
    assert events[-1]["delta"] == " The"


def test_a_response_that_is_asked_for_begins_at_once_though_the_robot_still_speaks() -> None:
    responses = Responses(FRAME_S)
    for output in (speech(0), turn("robot_started", 1)):
        list(responses.take(output, SETTINGS))
    list(responses.cancel(SETTINGS))
    assert kinds(responses.begin(SETTINGS)) == BEGUN
    said: list[Output] = [speech(5), Words(5, " Hello"), turn("robot_stopped", 6)]
    said += [speech(n) for n in range(6, 20)]
    events = [event for output in said for event in responses.take(output, SETTINGS)]
    assert numbers(events) == [*range(5, 16)] and events[-1]["response"]["status"] == "completed"


@pytest.mark.parametrize("open_response", [True, False])
def test_the_end_closes_what_is_open(open_response: bool) -> None:
    responses = Responses(FRAME_S)
    outputs = [speech(0), turn("robot_started", 1)] if open_response else [speech(0)]
    for output in outputs:
        list(responses.take(output, SETTINGS))
    ended = list(responses.end(SETTINGS, 0, 0))
    assert kinds(ended) == (DONE if open_response else [])
    assert all(event["response"]["status"] == "cancelled" for event in ended[-1:])
    assert list(responses.end(SETTINGS, 0, 0)) == []


def test_times_are_of_all_that_the_client_has_sent() -> None:
    responses = Responses(FRAME_S)
    for sent_before, lost in ((0, 5), (50, 2)):
        sent = SentTime(80_000_000)
        sent.follow(10 * 80_000_000, (10 + lost) * 80_000_000)
        responses.begun(sent)
        events = [
            e for frame in (9, 20) for e in responses.take(turn("user_started", frame), SETTINGS)
        ]
        events += responses.take(turn("user_stopped", 30), SETTINGS)
        base = sent_before * 80
        told = [e["onset_ms"] - base for e in events if e["type"] == "personaplex.turn_event"]
        assert told == [9 * 80, (20 + lost) * 80, (30 + lost) * 80]
        speech_ms = [e[f"audio_{side}_ms"] - base for e in events for side in ("start", "end")
                     if f"audio_{side}_ms" in e]  # fmt: skip
        assert speech_ms == [9 * 80, (30 + lost) * 80]
        list(responses.end(SETTINGS, 40 * 80_000_000, 50 * 80_000_000))


def test_who_speaks_on_behind_what_was_committed_makes_another_item() -> None:
    responses = Responses(FRAME_S)
    first, *_ = responses.commit(round(4 * FRAME_S * 1e9))
    committed = first["item_id"]
    outputs = [turn("user_started", 2), turn("user_stopped", 40)]
    events = [event for output in outputs for event in responses.take(output, SETTINGS)]
    told = [(event["type"].rpartition(".")[2], event["item_id"]) for event in events
            if event["type"].startswith("input_audio_buffer.")]  # fmt: skip
    assert [kind for kind, _ in told] == ["speech_started", "speech_stopped", "committed"]
    assert told[0][1] == committed != told[1][1] == told[2][1]
