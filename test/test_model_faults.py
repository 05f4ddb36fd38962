"""Numbers that are not finite are a fault of the model: told, by frame and part, and mended."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from reference import GREEDY, converse, ids, speech_like, talk, write_checkpoint
from safetensors.torch import load_file, save_file
from torch import Tensor

from personaplex_ros.cli import main
from personaplex_ros.engine import Engine, ModelFault, Persona, Sampling, SharedEngine

NOBODY = Persona("nobody")
TALKER = Persona("talker", "You enjoy having a good conversation.")
NAN = float("nan")


def weight_of(engine: Engine, part: str) -> Tensor:
    """Return a weight of a part that every frame reads."""
    lm, codec = engine.lm, engine.codec
    weights = {
        "encode": codec.down.inner.weight,
        "temporal": lm.transformer.layers[1].self_attn.in_proj_weight,
        "text": lm.text_linear.weight,
        "depth": lm.linears[5].weight,
        "decode": codec.up.inner.weight,
    }
    return weights[part]


@pytest.mark.parametrize(
    ("broken", "part"),
    [("encode", "encode"), ("temporal", "temporal"), ("text", "temporal"), ("depth", "depth"),
     ("decode", "decode")],
)  # fmt: skip
@pytest.mark.parametrize("wrong", [NAN, float("inf")])
def test_a_fault_names_frame_and_part(
    small_engine: Engine, broken: str, part: str, wrong: float
) -> None:
    # With a prompt: torch's attention takes NaN for nothing where it sees few positions.
    session = small_engine.open(TALKER, GREEDY)
    first, second, *_ = talk(small_engine, 0.4)
    session.push(first)
    weight_of(small_engine, broken)[3] = wrong
    with pytest.raises(ModelFault, match=rf"frame 1: .* \({part}\) are not finite"):
        session.push(second)


def test_overflow_in_half_precision_is_a_fault(small_checkpoint: Path) -> None:
    engine = Engine.load(small_checkpoint, device="cpu", dtype="float16")
    session = engine.open(NOBODY, GREEDY)
    frames = talk(engine, 0.4)
    assert session.push(frames[0]).audio.shape == (engine.frame_size,)
    engine.lm.transformer.layers[0].gating.linear_in.weight.mul_(2000)
    with pytest.raises(ModelFault, match=r"with dtype float16 take bfloat16 or float32"):
        converse(session, frames[1:])


@torch.inference_mode()
def poison(engine: Engine, row: int) -> None:
    """Let all that a conversation remembers be not a number."""
    for cache in engine.states.lm.caches:
        cache.keys[row], cache.values[row] = NAN, NAN


@pytest.mark.parametrize("again", ["restarted", "closed and opened"])
def test_a_fault_of_one_conversation_is_its_own_and_leaves_no_trace(
    small_checkpoint: Path, again: str
) -> None:
    engine = Engine.load(small_checkpoint, device="cpu", slots=2)
    frames = talk(engine, 2.4)
    alone = Engine.load(small_checkpoint, device="cpu")
    expected = converse(alone.open(TALKER, GREEDY), frames)
    well, ill = engine.open(TALKER, GREEDY), engine.open(TALKER, GREEDY)
    said = []
    for number, frame in enumerate(frames[:20]):
        if number == 8:
            poison(engine, ill.slot)
        try:
            results = engine.step({well: frame, ill: frame})
        except ModelFault as fault:
            assert list(fault.faults) == [ill] and number >= 8
            results = fault.results
        said.append(ids(results[well]))
        assert (ill in results) == (number < 8)
    assert said == expected[:20]
    if again == "restarted":
        ill.restart()
    else:
        ill.close()
        ill = engine.open(TALKER, GREEDY)
    assert [ids(engine.step({well: frame, ill: frame})[ill]) for frame in frames] == expected


def test_of_robots_that_share_an_engine_only_the_one_concerned_is_told(
    small_checkpoint: Path,
) -> None:
    engine = Engine.load(small_checkpoint, device="cpu", slots=2)
    shared = SharedEngine(engine)
    try:
        well, ill = shared.open(TALKER, GREEDY), shared.open(TALKER, GREEDY)
        frame = talk(engine, 0.08)[0]
        poison(engine, 1)
        with pytest.raises(RuntimeError, match=r"frame 0: .*\(temporal\)"):
            ill.push(frame)
        assert well.push(frame).index == 0
        ill.restart()
        assert ill.push(frame).index == 0
    finally:
        shared.close()


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "caller.wav"
    soundfile.write(path, speech_like(1.0), 24000)
    return path


@pytest.mark.parametrize(
    ("file", "tensor", "part"),
    [("model.safetensors", "linears.2.weight", "depth"),
     ("mimi.safetensors", "upsample.convtr.convtr.convtr.weight", "decode")],
)  # fmt: skip
def test_a_damaged_checkpoint_fails_the_offline_command(
    file: str, tensor: str, part: str, recording: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    folder = write_checkpoint(tmp_path / "damaged")
    tensors = load_file(folder / file)
    tensors[tensor].view(-1)[0] = NAN
    save_file(tensors, folder / file)
    answer = tmp_path / "answer.wav"
    words = ["offline", "--checkpoint", str(folder), "--input-wav", str(recording), "--device",
             "cpu", "--output-wav", str(answer), "--voice-prompt", "", "--greedy"]  # fmt: skip
    assert main(words) != 0
    error = capsys.readouterr().err
    assert "frame 0: numbers of the " in error and f"({part}) are not finite" in error
    assert not answer.exists()


def test_codebooks_that_are_not_finite_are_refused_when_they_are_loaded(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "damaged")
    tensors = load_file(folder / "mimi.safetensors")
    name = next(name for name in tensors if name.endswith("embedding_sum"))
    tensors[name][3, 1] = NAN
    save_file(tensors, folder / "mimi.safetensors")
    with pytest.raises(ValueError, match=r"mimi\.safetensors: numbers of its codebooks"):
        Engine.load(folder, device="cpu")


def test_sampling_can_change_in_every_direction_after_a_frame(small_engine: Engine) -> None:
    session = small_engine.open(TALKER)
    frames = iter(talk(small_engine, 1.6))
    session.push(next(frames))
    for sampling in (
        GREEDY, Sampling(), Sampling(text_temperature=0.5),
        Sampling(text_top_k=60, audio_top_k=100), Sampling(audio_top_k=3),
        Sampling(audio_temperature=2.0), GREEDY,
    ):  # fmt: skip
        session.set_sampling(sampling)
        assert np.abs(session.push(next(frames)).audio).max() > 0
