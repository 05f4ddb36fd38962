"""A node whose microphone is at the other end of a bad line: what it hears, waits for and tells."""

from __future__ import annotations

import time

import numpy as np
import pytest
from node_support import FRAME, RATE, robot

pytestmark = pytest.mark.alone

CHUNK = FRAME // 4
TONE = (8_000 * np.sin(2 * np.pi * 200 * np.arange(60 * CHUNK) / RATE)).astype(np.int16)


def chunks(r, count: int) -> list:
    """Return messages of 20 ms that were captured one after the other."""
    return [r.audio(TONE[k * CHUNK : (k + 1) * CHUNK]) for k in range(count)]


def speak(r, messages) -> np.ndarray:
    """Send messages at their pace; return all that the model heard, in the end."""
    due = time.monotonic()
    for message in messages:
        due += CHUNK / RATE
        time.sleep(max(0.0, due - time.monotonic()))
        if message is not None:
            r.send(message)
    r.bus.wait_for(lambda: len(r.session.heard) >= len(messages) // 4)
    return np.concatenate(r.session.heard)[: len(messages) * CHUNK]


def lost(messages) -> list:
    return [None if k in (17, 30) else message for k, message in enumerate(messages)]


def test_the_sound_goes_on_where_a_message_is_lost_and_diagnostics_tell():
    with robot(max_backlog_frames=100) as r:
        heard = speak(r, lost(chunks(r, 40)))
        assert np.abs(heard - TONE[: len(heard)] / 32768).max() < 0.05
        status = r.bus.diagnostics()["microphone"]
        assert (status.values["gaps"], status.values["concealed samples"]) == ("2", "960")
        assert status.level == 1 and "the sound goes on" in status.message
        r.hear(4)


def test_zeros_take_its_place_where_the_parameter_says_so():
    with robot(lost_audio="silence", max_backlog_frames=100) as r:
        heard = speak(r, lost(chunks(r, 40)))
        assert not heard[17 * CHUNK : 18 * CHUNK].any() and not heard[30 * CHUNK : 31 * CHUNK].any()
        values = r.bus.diagnostics()["microphone"].values
        assert (values["gap samples"], values["concealed samples"]) == ("960", "0")
        r.hear(4)


def test_messages_that_overtake_others_are_heard_in_order():
    with robot(max_backlog_frames=100) as r:
        messages = chunks(r, 60)
        for k in range(2, 58, 3):  # every third comes after the next
            messages[k], messages[k + 1] = messages[k + 1], messages[k]
        heard = speak(r, messages)
        values = r.bus.diagnostics()["microphone"].values
        assert int(values["reordered"]) >= 10
        settled = slice(20 * CHUNK, len(heard))
        assert np.array_equal(heard[settled], TONE[settled] / np.float32(32768))
        r.hear(4)


def test_the_reliability_of_audio_in_is_the_parameters():
    with robot(max_backlog_frames=100) as r:
        assert not r.bus.qos["audio_in"].reliable
    with robot(audio_in_reliability="reliable") as r:
        assert r.bus.qos["audio_in"].reliable
        r.hear(4)
