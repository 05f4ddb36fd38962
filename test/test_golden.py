"""The engine reproduces what the reference implementation said, token for token."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from reference import GREEDY, REFERENCE, frames_of, golden, needs_reference
from torch import Tensor

from personaplex_ros.audio.wave import read_wave
from personaplex_ros.checkpoint import WaveVoice, load_voice
from personaplex_ros.engine import Engine, Persona, StepResult
from personaplex_ros.engine.prepared import encode_voice
from personaplex_ros.lm import LMConfig
from personaplex_ros.lm.grid import get_frame
from personaplex_ros.prompt import prompt_frames

pytestmark = needs_reference

VOICES = {"wav": "audio/voice.wav", "pt": "golden_seed7_voice.pt"}


@dataclass
class Conversation:
    """One golden file, and the engine's own run of the same conversation."""

    expected: dict[str, np.ndarray]
    results: list[StepResult]
    tokens: np.ndarray  # [17, 250], the user's rows as the model reads them


@pytest.fixture(scope="module", params=VOICES)
def conversation(request: pytest.FixtureRequest, tiny_engine: Engine) -> Conversation:
    expected = golden(request.param)
    voice = str(REFERENCE / VOICES[request.param])
    session = tiny_engine.open(Persona("golden", str(expected["prompt"]), voice), GREEDY)
    wave = read_wave(REFERENCE / "audio" / "input_service.wav")
    shape, rows = tiny_engine.lm.grid_shape(), tiny_engine.lm.config.rows
    results, tokens = [], []
    for frame in frames_of(wave.samples[:, 0], tiny_engine.frame_size):
        results.append(session.push(frame))
        # The agent's frame is the one before the newest; the user's beside it was fed with it.
        state = tiny_engine.states.lm
        tokens.append(get_frame(state.grid, shape, rows, state.position - 1)[0].numpy())
    session.close()
    return Conversation(expected, results, np.stack(tokens, axis=1))


def test_all_token_rows_equal_the_reference(conversation: Conversation) -> None:
    assert conversation.tokens.shape == (17, 250)
    np.testing.assert_array_equal(conversation.tokens, conversation.expected["tokens"])


def test_steps_return_text_and_codes_of_the_same_frame(conversation: Conversation) -> None:
    returned = np.stack([(r.token, *r.codes) for r in conversation.results], axis=1)
    np.testing.assert_array_equal(returned, conversation.expected["tokens"][:9])
    assert [r.index for r in conversation.results] == list(range(250))


def test_text_pieces_equal_the_reference(conversation: Conversation) -> None:
    pieces = [result.silent or result.piece for result in conversation.results]
    assert pieces == json.loads(str(conversation.expected["text"]))
    assert any(result.piece for result in conversation.results)
    assert all(not (result.piece and result.silent) for result in conversation.results)


def test_waveform_equals_the_reference(conversation: Conversation) -> None:
    pcm = np.concatenate([result.audio for result in conversation.results])
    assert pcm.dtype == np.float32
    # The golden file was clipped and stored with 16 bits: half a step is 1.5e-5.
    np.testing.assert_allclose(pcm.clip(-1, 1), conversation.expected["pcm"], rtol=0, atol=1e-4)


def test_the_user_is_heard_as_the_reference_hears_him(tiny_engine: Engine) -> None:
    wave = read_wave(REFERENCE / "audio" / "input_service.wav").samples[:, 0]
    codes = encode_voice(WaveVoice(wave), tiny_engine.codec, 8).numpy()
    np.testing.assert_array_equal(codes, golden("wav")["user_codes"])


def test_the_voice_prompt_is_levelled_and_encoded_as_the_reference_does(
    tiny_engine: Engine,
) -> None:
    voice = load_voice(str(REFERENCE / "audio" / "voice.wav"), tiny_engine.sample_rate)
    assert isinstance(voice, WaveVoice)
    codes = encode_voice(voice, tiny_engine.codec, 8).numpy()
    np.testing.assert_array_equal(codes, golden("wav")["voice_codes"])


def test_the_text_prompt_before_the_voice_is_noticed(
    tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reordered(config: LMConfig, frame_rate: float, voice: Tensor, text: list[int]) -> Tensor:
        frames = prompt_frames(config, frame_rate, voice, text)
        return torch.cat([frames[:, voice.shape[1] :], frames[:, : voice.shape[1]]], dim=1)

    expected = golden("wav")
    wave = read_wave(REFERENCE / "audio" / "input_service.wav")
    monkeypatch.setattr("personaplex_ros.engine.prepared.prompt_frames", reordered)
    persona = Persona("golden", str(expected["prompt"]), str(REFERENCE / VOICES["wav"]))
    engine = Engine.load(tiny_checkpoint, device="cpu")
    session = engine.open(persona, GREEDY)
    frames = frames_of(wave.samples[:, 0], engine.frame_size)[:20]
    tokens = [session.push(frame).token for frame in frames]
    assert tokens[1:] != expected["tokens"][0, 1:20].tolist()
