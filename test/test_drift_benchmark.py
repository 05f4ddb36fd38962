"""The drift of 8-bit weights at full size: its layers are the model, and it finds what it must."""

from __future__ import annotations

import copy
import importlib
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
import torch

from personaplex_ros.lm import LanguageModel, LMConfig
from personaplex_ros.lm.temporal import ring_spec
from personaplex_ros.nn.attention import RingView

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"
SMALL = LMConfig(dim=64, heads=4, layers=3, hidden=96, context=40, text_cardinality=50,
                 cardinality=32, depth_steps=8, depth_dim=32, depth_heads=2, depth_layers=2,
                 depth_hidden=48)  # fmt: skip


@pytest.fixture
def drift(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("drift_full_size")


@torch.inference_mode()
def test_layers_one_by_one_predict_what_the_model_predicts_step_by_step(drift: ModuleType) -> None:
    lm = LanguageModel(SMALL, "cpu", torch.float32).eval()
    drift.fill(lm, torch.Generator().manual_seed(1))
    columns = torch.randint(32, (1, 13, 17), generator=torch.Generator().manual_seed(2))
    ends = copy.deepcopy(lm)
    hidden = ends.embed(columns[:, :-1])
    for layer in lm.transformer.layers:
        hidden = drift.run_layer(layer, hidden, SMALL)
    found = drift.predictions(ends, hidden[0], columns[0, 1:])
    state = lm.initial_state(1)
    for number in range(12):
        view = RingView.at(state.position, 1, ring_spec(SMALL), number, True)
        x = lm.transformer(lm.embed(columns[:, number : number + 1]), state.caches, view)
        y = lm.out_norm(x[:, 0])
        expected = [lm.text_linear(y)]
        for step in range(8):
            token = columns[:, number + 1, step]
            expected.append(lm.depth_logits(y, token, step, state.depth_past))
        for ours, theirs in zip(found, expected, strict=True):
            torch.testing.assert_close(ours[number : number + 1], theirs)
        state.position += 1


def test_8_bits_move_predictions_further_than_bfloat16_does(drift: ModuleType) -> None:
    rows = list(drift.measure(replace(SMALL, layers=2), 2, 20))
    assert [(row["weights"], row["seed"]) for row in rows] == [
        (kind, seed) for seed in (0, 1) for kind in ("float32", "int8", "float8")
    ]
    for kind in ("text_kl", "audio_kl"):
        plain, fine, coarse = (
            sum(row[kind] for row in rows if row["weights"] == name)
            for name in ("float32", "int8", "float8")
        )
        assert 0.0 < plain < fine < coarse
