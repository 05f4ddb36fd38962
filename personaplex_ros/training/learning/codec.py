"""Training of the small Mimi: reconstruction, vector quantisation, phones in the first codebook.

The published codec distils a speech model into its semantic codebook (Moshi, section 3.3.3); here
the synthesiser's own phones are the teacher. What the microphone hears may be noisy, what the
decoder is to say is clean, so no code is spent on noise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from personaplex_ros.mimi import Mimi, MimiConfig
from personaplex_ros.mimi.quantizer import Codebook, ResidualQuantizer
from personaplex_ros.nn.attention import RingCache
from personaplex_ros.nn.conv import CausalConv1d
from personaplex_ros.nn.norm import LayerScale
from personaplex_ros.training.learning.loop import Batch, Trainer
from personaplex_ros.training.learning.losses import EnvelopeLoss, SpectralLoss
from personaplex_ros.training.voices.speech_bank import LABEL_HOP, SpeechBank

START_BATCHES = 40  # whose latents place the codebooks
WINDOWS = ((512, 40), (1024, 80), (2048, 100))  # STFT size, mel bands


@dataclass(frozen=True)
class CodecTraining:
    """How the codec is trained: crops, and the weights of the losses."""

    batch: int = 4
    frames: int = 15  # a crop's length
    unquantised_steps: int = 300  # at the start
    unquantised_share: float = 0.15  # of the crops, later
    decay: float = 0.995  # of the codebooks' running sums
    mel: float = 1.0
    relative: float = 0.5
    envelope: float = 2.0
    waveform: float = 0.1
    commitment: float = 0.25
    phones: float = 0.3
    seed: int = 1


class CodecTrainer(Trainer):
    """The codec with what only its training needs."""

    def __init__(self, config: MimiConfig, phones: int, settings: CodecTraining):
        super().__init__()
        torch.manual_seed(settings.seed)
        self.settings = settings
        self.codec = Mimi(config)
        initialise(self.codec)
        self.phone_head = nn.Linear(config.dimension, 2 * phones)
        self.likeness = Likeness(config.sample_rate, settings)
        self.quantised = False
        self._latents: list[Tensor] = []  # of the last steps before the codebooks are placed

    def begin_step(self, step: int) -> None:
        """Quantise from a certain step on, with codebooks placed where the latents then are."""
        if self.quantised or step < self.settings.unquantised_steps:
            return
        if sum(map(len, self._latents)) < self.codec.config.cardinality:
            return  # resumed a moment ago
        gathered = torch.cat(self._latents)
        expected = len(gathered) / len(self._latents) / self.codec.config.cardinality
        start_codebooks(self.codec.quantizer.rvq_first, gathered, expected)
        start_codebooks(self.codec.quantizer.rvq_rest, gathered, expected)
        self._latents = []
        self.quantised = True

    @property
    def repeats_itself(self) -> bool:
        """Whether the codebooks have been placed."""
        return self.quantised

    def get_extra_state(self) -> dict[str, bool]:
        """Return what belongs to the state beside tensors."""
        return {"quantised": self.quantised}

    def set_extra_state(self, state: dict[str, bool]) -> None:
        """Take over what ``get_extra_state`` returned."""
        self.quantised = state["quantised"]

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Return the weighted losses of crops.

        ``heard`` and ``clean`` are float32 [B, n], ``phones`` int64 [B, F, 2].
        """
        settings, codec = self.settings, self.codec
        heard, clean, phones = batch["heard"], batch["clean"], batch["phones"]
        latent = frame_latents(codec, heard)
        if not self.quantised:
            recent = self._latents[-START_BATCHES + 1 :]
            self._latents = [*recent, latent.detach().flatten(0, 1)]
        share = settings.unquantised_share if self.quantised else 1.0
        keep = torch.rand(len(heard), 1, 1, device=heard.device) < share
        quantizer = codec.quantizer
        quantizer.derive()  # the sums have moved
        semantic, commit_a = straight_through(quantizer.rvq_first, latent, keep, settings.decay)
        acoustic, commit_b = straight_through(quantizer.rvq_rest, latent, keep, settings.decay)
        made = sound(codec, semantic + acoustic)
        logits = self.phone_head(semantic).unflatten(-1, (2, -1))
        return self.likeness(made, clean) | {
            "commitment": settings.commitment * (commit_a + commit_b),
            "phones": settings.phones * F.cross_entropy(logits.flatten(0, 2), phones.flatten()),
        }


class DecoderTrainer(Trainer):
    """A trained codec of which only the decoder learns on, so that its codes stay what they are."""

    def __init__(self, codec: Mimi, settings: CodecTraining):
        super().__init__()
        torch.manual_seed(settings.seed)
        self.codec = codec.requires_grad_(False)
        for part in (codec.upsample, codec.decoder_transformer, codec.decoder):
            part.requires_grad_(True)
        self.likeness = Likeness(codec.config.sample_rate, settings)

    @property
    def repeats_itself(self) -> bool:
        """Always."""
        return True

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Return the weighted losses of crops, ``heard`` and ``clean`` float32 [B, n]."""
        quantizer = self.codec.quantizer
        with torch.no_grad():
            latent = frame_latents(self.codec, batch["heard"])
            quantised = quantizer.decode(quantizer.encode(latent, self.codec.config.codebooks))
        return self.likeness(sound(self.codec, quantised), batch["clean"])


class Likeness(nn.Module):
    """How far what was made is from what was wanted: weighted losses of waveforms [B, n]."""

    def __init__(self, rate: int, settings: CodecTraining):
        super().__init__()
        self.settings = settings
        self.spectral = SpectralLoss(rate, WINDOWS)
        self.envelope = EnvelopeLoss(rate)

    def forward(self, made: Tensor, clean: Tensor) -> dict[str, Tensor]:
        """Return the losses by name."""
        settings = self.settings
        mel, relative = self.spectral(made, clean)
        return {
            "mel": settings.mel * mel,
            "relative": settings.relative * relative,
            "envelope": settings.envelope * self.envelope(made, clean),
            "waveform": settings.waveform * F.l1_loss(made, clean) / (clean.abs().mean() + 1e-3),
        }


def sound(codec: Mimi, latent: Tensor) -> Tensor:
    """Decode quantised latents [B, F, D] from a stream's start: float32 [B, n]."""
    state = codec.decoder_state(latent.shape[0])
    x = codec.decoder_transformer(codec.up(latent, state.upsample), state.transformer)
    return codec.decoder(x, state.seanet)[..., 0]


def frame_latents(codec: Mimi, wave: Tensor) -> Tensor:
    """Encode waveforms float32 [B, n] from a stream's start, without quantising: [B, F, D]."""
    return latents_from(codec, wave[..., None], 0)


def encoder_layers(codec: Mimi, x: Tensor, first: int, last: int) -> Tensor:
    """Pass x [B, T, C] through some of the encoder's layers, from a stream's start."""
    for layer in list(codec.encoder.model)[first:last]:
        x = layer(x) if isinstance(layer, nn.ELU) else layer(x, layer.initial_state(len(x)))
    return x


def latents_from(codec: Mimi, x: Tensor, layer: int) -> Tensor:
    """Encode what the layers before ``layer`` have made, without quantising: [B, F, D]."""
    return downsampled(codec, encoded_from(codec, x, layer))


def encoded_from(codec: Mimi, x: Tensor, layer: int) -> Tensor:
    """Return what the encoder's layers from ``layer`` on and its transformer make: [B, 2 F, D]."""
    x = encoder_layers(codec, x, layer, len(codec.encoder.model))
    state = codec.encoder_transformer.initial_state(len(x))
    if torch.is_autocast_enabled("cpu"):  # then keys come in half precision
        half = torch.get_autocast_dtype("cpu")
        state.caches = [RingCache(c.keys.to(half), c.values.to(half)) for c in state.caches]
    return codec.encoder_transformer(x, state)


def downsampled(codec: Mimi, x: Tensor) -> Tensor:
    """Return the latents [B, F, D] of what ``encoded_from`` returns."""
    # As codec.down does, whose flag of having started is changed in place.
    past = x[:, :1].expand(-1, codec.down.keep, -1)
    return codec.down.over(torch.cat([past, x], dim=1))


def straight_through(
    quantizer: ResidualQuantizer, latent: Tensor, keep: Tensor, decay: float
) -> tuple[Tensor, Tensor]:
    """Quantise latent [B, F, D] with gradients passed straight through; update the codebooks.

    Rows where ``keep`` [B, 1, 1] is true stay as they are. Returns the projected result
    [B, F, D] and the commitment loss.
    """
    projected = F.linear(latent, quantizer.input_proj.weight[..., 0])
    residual = projected.flatten(0, 1)
    total = torch.zeros_like(residual)
    commitment = latent.new_zeros(())
    for level in quantizer.vq.layers:
        codebook = level.codebook
        ids = codebook.nearest(residual.detach())
        chosen = codebook.centroids[ids]
        if quantizer.training:
            follow(codebook, residual.detach(), ids, decay)
        commitment = commitment + F.mse_loss(residual, chosen)
        residual = residual - chosen
        total = total + chosen
    flat = projected.flatten(0, 1)
    quantised = (flat + (total - flat).detach()).view_as(projected)
    mixed = torch.where(keep, projected, quantised)
    count = len(quantizer.vq.layers)
    return F.linear(mixed, quantizer.output_proj.weight[..., 0]), commitment / count


@torch.no_grad()
def follow(codebook: Codebook, x: Tensor, ids: Tensor, decay: float) -> None:
    """Move a codebook's running sums towards the vectors x [N, D] that chose it; revive dead codes.

    The centroids are to be derived from the sums afterwards.

    Source: van den Oord et al. 2017 (VQ-VAE), appendix A; dead codes as in SoundStream (2021).
    """
    usage, total = codebook.cluster_usage, codebook.embedding_sum
    counts = torch.zeros_like(usage).index_add_(0, ids, torch.ones_like(x[:, 0]))
    sums = torch.zeros_like(total).index_add_(0, ids, x)
    usage.mul_(decay).add_(counts, alpha=1 - decay)
    total.mul_(decay).add_(sums, alpha=1 - decay)
    expected = len(x) / len(usage)
    dead = usage < 0.03 * expected
    # Few at a time. No number depends on how many are dead: a GPU is not to be asked.
    few = min(max(1, len(x) // 16), len(usage))
    drawn = torch.rand_like(usage).masked_fill(~dead, -1.0).topk(few).indices
    revived = dead[drawn]
    fresh = x[torch.randint(len(x), (few,), device=x.device)] * expected
    usage[drawn] = torch.where(revived, expected, usage[drawn])
    total[drawn] = torch.where(revived[:, None], fresh, total[drawn])


@torch.no_grad()
def start_codebooks(quantizer: ResidualQuantizer, latents: Tensor, expected: float) -> None:
    """Place the centroids by k-means over latents [N, D], level by level."""
    residual = F.linear(latents, quantizer.input_proj.weight[..., 0])
    for level in quantizer.vq.layers:
        codebook = level.codebook
        size = codebook.cluster_usage.shape[0]
        centroids = residual[torch.randperm(len(residual))[:size]].clone()
        for _ in range(8):
            ids = torch.cdist(residual, centroids).argmin(-1)
            counts = torch.bincount(ids, minlength=size).float()
            sums = torch.zeros_like(centroids).index_add_(0, ids, residual)
            filled = counts > 0
            centroids[filled] = sums[filled] / counts[filled, None]
        codebook.cluster_usage.fill_(expected)
        codebook.embedding_sum.copy_(centroids * expected)
        codebook.derive()
        residual = residual - codebook.centroids[codebook.nearest(residual)]


@torch.no_grad()
def initialise(codec: Mimi) -> None:
    """Keep the variance of signals through all layers (He et al. 2015)."""
    for module in codec.modules():
        if isinstance(module, nn.ConvTranspose1d):
            fan_in = module.in_channels // module.groups * module.kernel_size[0] / module.stride[0]
            nn.init.normal_(module.weight, std=1 / math.sqrt(fan_in))
        elif isinstance(module, nn.Conv1d | nn.Linear):
            nn.init.normal_(module.weight, std=1 / math.sqrt(module.weight[0].numel()))
        elif isinstance(module, LayerScale):
            nn.init.constant_(module.scale, 0.1)
        if isinstance(module, nn.Conv1d | nn.ConvTranspose1d) and module.bias is not None:
            nn.init.zeros_(module.bias)
    last = cast(CausalConv1d, codec.decoder.model[-1])
    last.inner.weight.mul_(0.1)  # speech is far below full scale
    for name, parameter in codec.named_parameters():
        if name.endswith("in_proj_weight"):
            nn.init.normal_(parameter, std=1 / math.sqrt(parameter.shape[1]))


@dataclass(frozen=True)
class Crops:
    """Random crops of a bank, with noise on what the microphone hears."""

    bank: SpeechBank
    settings: CodecTraining
    frame_size: int

    def draw(self, step: int) -> Batch:
        """Return the batch of a step, see ``CodecTrainer.losses``."""
        settings = self.settings
        rng = np.random.default_rng((settings.seed, step))
        size = settings.frames * self.frame_size
        hop = self.frame_size // LABEL_HOP
        starts = rng.integers(hop, (len(self.bank.clean) - size) // LABEL_HOP, settings.batch)
        heard, clean, phones = [], [], []
        for start in starts:
            part = slice(start * LABEL_HOP, start * LABEL_HOP + size)
            wet = self.bank.heard[part].astype(np.float32)
            if rng.random() < 0.4:
                floor = 10 ** (rng.uniform(-75, -42) / 20)
                wet = wet + rng.standard_normal(size, np.float32) * np.float32(floor)
            heard.append(wet)
            clean.append(self.bank.clean[part].astype(np.float32))
            # A causal encoder knows a phone best a little after it began.
            at = start + np.arange(settings.frames)[:, None] * hop + np.array([-1, hop // 2 - 1])
            phones.append(self.bank.labels[at].astype(np.int64))
        stacked = {"heard": heard, "clean": clean, "phones": phones}
        return {name: torch.from_numpy(np.stack(arrays)) for name, arrays in stacked.items()}
