"""How loud the robot is, against BS.1770 as pyloudnorm measures it."""

from __future__ import annotations

import numpy as np
import pyloudnorm
import pytest
import torch
from reference import random_codec

from personaplex_ros.training.loudness import ROBOT_LUFS, speak_at, spoken


def test_a_codec_speaks_as_loud_as_it_is_told_to_and_says_the_same() -> None:
    codec = random_codec()
    cardinality = codec.config.cardinality
    rng = np.random.default_rng(0)
    said = [rng.integers(0, cardinality, (8, 20)).astype(np.int16) for _ in range(3)]
    before, codes = spoken(codec, said), codec.state_dict()["quantizer.rvq_first.input_proj.weight"]
    kept = codes.clone()
    gain = speak_at(codec, said, ROBOT_LUFS)
    after = spoken(codec, said)
    np.testing.assert_allclose(after, gain * before, rtol=1e-3, atol=1e-6)
    meter = pyloudnorm.Meter(codec.config.sample_rate)
    assert meter.integrated_loudness(after) == pytest.approx(-23.0, abs=0.1)
    assert torch.equal(codes, kept)
    last = codec.decoder.state_dict()
    kept_last = {name: weight.clone() for name, weight in last.items()}
    assert speak_at(codec, said, ROBOT_LUFS) == 1.0, "it is as loud"
    assert all(torch.equal(weight, kept_last[name]) for name, weight in last.items())
