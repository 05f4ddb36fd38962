"""What the codec is trained to keep: spectra in several resolutions, and band envelopes.

The envelope loss follows the definition of short-time objective intelligibility (Taal et al. 2011,
"An Algorithm for Intelligibility Prediction of Time-Frequency Weighted Noisy Speech"): correlation
of third-octave envelopes over 384 ms.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

FLOOR = 2e-2  # magnitudes below count as silence: 60 dB under loud speech


def mel_filters(bins: int, rate: int, bands: int, low: float = 40.0) -> Tensor:
    """Return triangular filters [bands, bins], evenly spaced in mel (O'Shaughnessy 1987)."""
    high = rate / 2
    edges = torch.linspace(_mel(low), _mel(high), bands + 2, dtype=torch.float64)
    edges = 700 * (10 ** (edges / 2595) - 1)
    frequency = torch.linspace(0, high, bins, dtype=torch.float64)
    rising = (frequency - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - frequency) / (edges[2:] - edges[1:-1])[:, None]
    return torch.minimum(rising, falling).clamp(min=0).float()


def third_octaves(bins: int, rate: int, bands: int = 15, lowest: float = 150.0) -> Tensor:
    """Return the third-octave bands [bands, bins] of Taal et al., as 0 and 1."""
    centre = lowest * 2 ** (torch.arange(bands, dtype=torch.float64) / 3)
    frequency = torch.linspace(0, rate / 2, bins, dtype=torch.float64)
    low, high = centre * 2 ** (-1 / 6), centre * 2 ** (1 / 6)
    return ((frequency >= low[:, None]) & (frequency < high[:, None])).float()


class Spectrum(nn.Module):
    """Magnitudes of a waveform: float32 [B, n] -> [B, bins, frames]."""

    def __init__(self, size: int, hop: int, window: int | None = None):
        super().__init__()
        self.size, self.hop, self.window_size = size, hop, window or size
        self.window: Tensor
        self.register_buffer("window", torch.hann_window(self.window_size))

    def forward(self, wave: Tensor) -> Tensor:
        """Return the magnitudes, kept off zero so that their gradient is finite."""
        spectrum = torch.stft(
            wave, self.size, self.hop, self.window_size, self.window, return_complex=True
        )
        return (spectrum.real.square() + spectrum.imag.square() + 1e-9).sqrt()


class SpectralLoss(nn.Module):
    """L1 of log-mel spectra plus relative distance of magnitudes, mean over window sizes."""

    def __init__(self, rate: int, windows: Sequence[tuple[int, int]]):
        super().__init__()
        self.spectra = nn.ModuleList(Spectrum(size, size // 4) for size, _ in windows)
        self.filters = nn.ParameterList(
            nn.Parameter(mel_filters(size // 2 + 1, rate, bands), requires_grad=False)
            for size, bands in windows
        )

    def forward(self, made: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
        """Compare waveforms [B, n]; return (log-mel distance, relative distance)."""
        mel_distance = relative = made.new_zeros(())
        for spectrum, filters in zip(self.spectra, self.filters, strict=True):
            a, b = spectrum(made), spectrum(wanted)
            log_a, log_b = ((filters @ x + FLOOR).log() for x in (a, b))
            mel_distance = mel_distance + F.l1_loss(log_a, log_b)
            relative = relative + torch.linalg.norm(a - b) / (torch.linalg.norm(b) + FLOOR)
        count = len(self.filters)
        return mel_distance / count, relative / count


class EnvelopeLoss(nn.Module):
    """One minus the mean correlation of third-octave envelopes over 384 ms of speech."""

    def __init__(self, rate: int, segment: int = 30):
        super().__init__()
        window = round(0.0256 * rate)
        size = 2 ** math.ceil(math.log2(window))
        self.segment = segment
        self.spectrum = Spectrum(size, window // 2, window)
        self.bands: Tensor
        self.register_buffer("bands", third_octaves(size // 2 + 1, rate))

    def forward(self, made: Tensor, wanted: Tensor) -> Tensor:
        """Compare waveforms [B, n]; segments 40 dB below the loudest of the batch do not count."""
        a, b = self._segments(made), self._segments(wanted)  # [B, bands, segments, 30]
        energy = b.square().sum(dim=(1, 3))  # [B, segments]
        weight = (energy > 1e-4 * energy.max()).float()[:, None]
        a, b = (x - x.mean(-1, keepdim=True) for x in (a, b))
        norm_a, norm_b = (torch.linalg.vector_norm(x, dim=-1).clamp(min=1e-4) for x in (a, b))
        # A flat envelope has no direction; without a bound its gradient would drown all others.
        correlation = (a * b).sum(-1) / (torch.maximum(norm_a, 0.2 * norm_b) * norm_b)
        bands = self.bands.shape[0]
        return 1 - (correlation * weight).sum() / (weight.sum() * bands).clamp(min=1)

    def _segments(self, wave: Tensor) -> Tensor:
        power = self.bands @ self.spectrum(wave).square()
        return power.sqrt().unfold(-1, self.segment, 3)


def _mel(frequency: float) -> float:
    return 2595 * math.log10(1 + frequency / 700)
