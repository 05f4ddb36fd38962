"""The codec's losses against others' definitions: mel filters of transformers, STOI of pystoi."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pystoi import stoi
from transformers.audio_utils import mel_filter_bank

from personaplex_ros.training.learning.losses import EnvelopeLoss, SpectralLoss, mel_filters
from personaplex_ros.training.voices.speech import RATE, Voice, speak

TEXT = "Please take a seat in the meeting room, I will tell them that you are here."


def test_mel_filters_are_the_usual_ones() -> None:
    wanted = mel_filter_bank(513, 80, 40.0, 12000.0, RATE, norm=None, mel_scale="htk").T
    assert torch.allclose(mel_filters(513, RATE, 80), torch.from_numpy(wanted).float(), atol=1e-5)


@pytest.mark.parametrize("snr_db", [30, 20, 10, 5])
def test_the_envelope_loss_is_one_minus_intelligibility_where_that_is_high(snr_db: float) -> None:
    """STOI also clips and leaves out silent frames, which matters more in more noise."""
    speech = speak(TEXT, Voice("en-us")).samples
    noise = np.random.default_rng(0).standard_normal(len(speech)).astype(np.float32)
    noise *= np.sqrt(np.mean(speech**2) / np.mean(noise**2)) * 10 ** (-snr_db / 20)
    loss = EnvelopeLoss(RATE)(*(torch.from_numpy(x)[None] for x in (speech + noise, speech)))
    assert 1 - loss.item() == pytest.approx(stoi(speech, speech + noise, RATE), abs=0.06)


def test_losses_vanish_for_a_perfect_copy_and_have_finite_gradients_for_silence() -> None:
    speech = torch.from_numpy(speak(TEXT, Voice("en-us")).samples[: 2 * RATE])[None]
    spectral, envelope = SpectralLoss(RATE, ((512, 40), (1024, 80))), EnvelopeLoss(RATE)
    assert all(loss.item() < 1e-6 for loss in spectral(speech, speech))
    assert envelope(speech, speech).item() < 1e-4
    silence = torch.zeros_like(speech, requires_grad=True)
    torch.stack([*spectral(silence, speech), envelope(silence, speech)]).sum().backward()
    assert silence.grad is not None and silence.grad.isfinite().all()


def test_a_worse_copy_has_a_larger_loss() -> None:
    speech = torch.from_numpy(speak(TEXT, Voice("en-us")).samples[: 2 * RATE])[None]
    noise = torch.randn(speech.shape, generator=torch.Generator().manual_seed(0))
    spectral = SpectralLoss(RATE, ((1024, 80),))
    small, large = (torch.stack(spectral(speech + s * noise, speech)) for s in (0.001, 0.03))
    assert (large > small).all()
