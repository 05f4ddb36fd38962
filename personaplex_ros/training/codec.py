"""Training of the small Mimi: reconstruction, vector quantisation, phones in the first codebook.

The published codec distils a speech model into its semantic codebook (Moshi, section 3.3.3); here
the synthesiser's own phones are the teacher. What the microphone hears may be noisy, what the
decoder is to say is clean, so no code is spent on noise.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from personaplex_ros.mimi import Mimi, MimiConfig
from personaplex_ros.mimi.quantizer import Codebook, ResidualQuantizer
from personaplex_ros.nn.conv import CausalConv1d
from personaplex_ros.nn.norm import LayerScale
from personaplex_ros.training.losses import EnvelopeLoss, SpectralLoss
from personaplex_ros.training.speech_bank import LABEL_HOP, SpeechBank

WINDOWS = ((512, 40), (1024, 80), (2048, 100))  # STFT size, mel bands


@dataclass(frozen=True)
class CodecTraining:
    """How the codec is trained."""

    steps: int = 12000
    batch: int = 6
    frames: int = 18  # a crop's length
    rate: float = 1.2e-3  # peak learning rate
    warmup: int = 200
    unquantised_steps: int = 300  # at the start
    unquantised_share: float = 0.15  # of the crops, later
    decay: float = 0.99  # of the codebooks' running sums
    mel: float = 1.0
    relative: float = 0.5
    envelope: float = 2.0
    waveform: float = 0.1
    commitment: float = 0.25
    phones: float = 0.3
    seed: int = 1


class CodecTrainer(nn.Module):
    """The codec with what only its training needs."""

    def __init__(self, config: MimiConfig, phones: int, settings: CodecTraining):
        super().__init__()
        torch.manual_seed(settings.seed)
        self.settings = settings
        self.codec = Mimi(config)
        initialise(self.codec)
        self.phone_head = nn.Linear(config.dimension, 2 * phones)
        self.spectral = SpectralLoss(config.sample_rate, WINDOWS)
        self.envelope = EnvelopeLoss(config.sample_rate)
        self.quantised = False

    def losses(self, heard: Tensor, clean: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Return the weighted losses of crops float32 [B, n], phones int64 [B, F, 2]."""
        settings, codec = self.settings, self.codec
        batch = heard.shape[0]
        decoding = codec.decoder_state(batch)
        latent = frame_latents(codec, heard)
        keep = torch.rand(batch, 1, 1) < settings.unquantised_share
        keep |= not self.quantised
        quantizer = codec.quantizer
        semantic, commit_a = straight_through(quantizer.rvq_first, latent, keep, settings.decay)
        acoustic, commit_b = straight_through(quantizer.rvq_rest, latent, keep, settings.decay)
        x = codec.up((semantic + acoustic).transpose(1, 2), decoding.upsample)
        x = codec.decoder_transformer(x, decoding.transformer)
        made = codec.decoder(x, decoding.seanet)[:, 0]
        mel, relative = self.spectral(made, clean)
        logits = self.phone_head(semantic).unflatten(-1, (2, -1))
        return {
            "mel": settings.mel * mel,
            "relative": settings.relative * relative,
            "envelope": settings.envelope * self.envelope(made, clean),
            "waveform": settings.waveform * F.l1_loss(made, clean) / clean.abs().mean().add(1e-3),
            "commitment": settings.commitment * (commit_a + commit_b),
            "phones": settings.phones * F.cross_entropy(logits.flatten(0, 2), labels.flatten()),
        }


def frame_latents(codec: Mimi, wave: Tensor) -> Tensor:
    """Encode waveforms float32 [B, n] from a stream's start, without quantising: [B, F, D]."""
    state = codec.encoder_state(wave.shape[0])
    x = codec.encoder_transformer(codec.encoder(wave[:, None], state.seanet), state.transformer)
    # As codec.down does, whose flag of having started is changed in place.
    x = F.conv1d(
        F.pad(x, (codec.down.keep, 0), mode="replicate"),
        codec.down.inner.weight,
        stride=codec.down.stride,
    )
    return x.transpose(1, 2)


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

    Source: van den Oord et al. 2017 (VQ-VAE), appendix A; dead codes as in SoundStream (2021).
    """
    size = codebook.cluster_usage.shape[0]
    counts = torch.bincount(ids, minlength=size).float()
    sums = torch.zeros_like(codebook.embedding_sum).index_add_(0, ids, x)
    codebook.cluster_usage.mul_(decay).add_(counts, alpha=1 - decay)
    codebook.embedding_sum.mul_(decay).add_(sums, alpha=1 - decay)
    expected = x.shape[0] / size
    dead = (codebook.cluster_usage < 0.03 * expected).nonzero()[:, 0]
    if len(dead):
        dead = dead[torch.randperm(len(dead))[: max(1, len(x) // 16)]]  # few at a time
        pick = torch.randint(len(x), (len(dead),))
        codebook.cluster_usage[dead] = expected
        codebook.embedding_sum[dead] = x[pick] * expected
    codebook.derive()


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


@dataclass
class Crops:
    """Random crops of a bank, with noise and level changes on what the microphone hears."""

    bank: SpeechBank
    settings: CodecTraining
    frame_size: int
    rng: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.settings.seed)

    def draw(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return heard and clean float32 [B, n], phones int64 [B, F, 2]."""
        settings, rng = self.settings, self.rng
        size = settings.frames * self.frame_size
        hop = self.frame_size // LABEL_HOP
        starts = rng.integers(8, (len(self.bank.clean) - size) // LABEL_HOP, settings.batch)
        heard, clean, labels = [], [], []
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
            labels.append(self.bank.labels[at])
        return (
            torch.from_numpy(np.stack(heard)),
            torch.from_numpy(np.stack(clean)),
            torch.from_numpy(np.stack(labels).astype(np.int64)),
        )


def learning_rate(step: int, settings: CodecTraining) -> float:
    """Return the learning rate of a step: linear warm-up, then half a cosine to 2 % of the peak."""
    warm = min(1.0, (step + 1) / settings.warmup)
    done = min(1.0, step / settings.steps)
    return settings.rate * warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done)))


@dataclass
class CodecRun:
    """A training that can be stopped and resumed."""

    trainer: CodecTrainer
    optimiser: torch.optim.Optimizer
    step: int = 0

    @staticmethod
    def begin(config: MimiConfig, phones: int, settings: CodecTraining) -> CodecRun:
        """Start from random weights."""
        trainer = CodecTrainer(config, phones, settings)
        parameters = [p for p in trainer.parameters() if p.requires_grad]
        optimiser = torch.optim.AdamW(parameters, betas=(0.9, 0.98), weight_decay=0.01, fused=True)
        return CodecRun(trainer, optimiser)

    def state(self) -> dict:
        """Return everything that resuming needs."""
        return {
            "trainer": self.trainer.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
        }

    def resume(self, state: dict) -> None:
        """Go on from a saved state."""
        self.trainer.load_state_dict(state["trainer"])
        self.trainer.codec.quantizer.derive()
        self.optimiser.load_state_dict(state["optimiser"])
        self.step = state["step"]
        self.trainer.quantised = self.step >= self.trainer.settings.unquantised_steps

    def run(
        self, crops: Crops, until: int, report: Callable[[int, dict[str, float]], None]
    ) -> None:
        """Train up to step ``until``, reporting the losses of each step."""
        trainer, settings = self.trainer, self.trainer.settings
        trainer.train()
        while self.step < until:
            if self.step == settings.unquantised_steps:
                self._quantise(crops)
            for group in self.optimiser.param_groups:
                group["lr"] = learning_rate(self.step, settings)
            losses = trainer.losses(*crops.draw())
            total = torch.stack(list(losses.values())).sum()
            self.optimiser.zero_grad(set_to_none=True)
            total.backward()
            norm = nn.utils.clip_grad_norm_(trainer.parameters(), 3.0)
            self.optimiser.step()
            self.step += 1
            report(self.step, {name: loss.item() for name, loss in losses.items()} | {
                "gradient": norm.item()
            })  # fmt: skip

    @torch.no_grad()
    def _quantise(self, crops: Crops) -> None:
        """Place the codebooks where the latents are, and use them from now on."""
        codec = self.trainer.codec
        latents = []
        for _ in range(40):
            heard, _, _ = crops.draw()
            latents.append(frame_latents(codec, heard).flatten(0, 1))
        gathered = torch.cat(latents)
        expected = len(gathered) / 40 / codec.config.cardinality
        for part in (codec.quantizer.rvq_first, codec.quantizer.rvq_rest):
            start_codebooks(part, gathered, expected)
        self.trainer.quantised = True
