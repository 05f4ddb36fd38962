"""Split residual vector quantisation (Moshi, section 3.3.2): a semantic codebook and the rest."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from personaplex_ros.mimi.config import MimiConfig
from personaplex_ros.nn.typed import ModuleList

Device = torch.device | str | None


class Codebook(nn.Module):
    """One codebook, stored as the running sums of its training; centroid = sum / usage."""

    def __init__(self, config: MimiConfig, device: Device):
        super().__init__()
        size, dim = config.cardinality, config.code_dimension
        self.cluster_usage: Tensor
        self.embedding_sum: Tensor
        self.centroids: Tensor
        self.half_norms: Tensor
        self.register_buffer("_initialized", torch.ones(1, device=device))
        self.register_buffer("cluster_usage", torch.ones(size, device=device))
        self.register_buffer("embedding_sum", torch.zeros(size, dim, device=device))
        self.register_buffer("centroids", torch.zeros(size, dim, device=device), persistent=False)
        self.register_buffer("half_norms", torch.zeros(size, device=device), persistent=False)

    def derive(self) -> None:
        """Compute the centroids [cardinality, dim] from the stored sums; after loading."""
        self.centroids = self.embedding_sum / self.cluster_usage.clamp(min=1e-5)[:, None]
        self.half_norms = 0.5 * self.centroids.square().sum(-1)

    def nearest(self, x: Tensor) -> Tensor:
        """Return the ids [N] of the centroids nearest to x [N, dim] (L2)."""
        return torch.addmm(self.half_norms, x, self.centroids.t(), alpha=-1).argmin(-1)


class Level(nn.Module):
    """A codebook under its public name."""

    def __init__(self, config: MimiConfig, device: Device):
        super().__init__()
        self._codebook = Codebook(config, device)

    @property
    def codebook(self) -> Codebook:
        """The codebook of this level."""
        return self._codebook


class Levels(nn.Module):
    """The levels under their public name."""

    def __init__(self, count: int, config: MimiConfig, device: Device):
        super().__init__()
        self.layers: ModuleList[Level] = ModuleList([Level(config, device) for _ in range(count)])


class ResidualQuantizer(nn.Module):
    """``count`` codebooks in a row, each quantising what the one before left over."""

    def __init__(self, count: int, config: MimiConfig, device: Device):
        super().__init__()
        outer, inner = config.dimension, config.code_dimension
        self.input_proj = nn.Conv1d(outer, inner, 1, bias=False, device=device)
        self.output_proj = nn.Conv1d(inner, outer, 1, bias=False, device=device)
        self.vq = Levels(count, config, device)

    def encode(self, latent: Tensor, levels: int) -> list[Tensor]:
        """Quantise latent [N, D] with the first ``levels`` codebooks; ids [N] for each."""
        residual = F.linear(latent, self.input_proj.weight[..., 0])
        codes = []
        for level in range(levels):
            codebook = self.vq.layers[level].codebook
            codes.append(codebook.nearest(residual))
            residual = residual - codebook.centroids[codes[-1]]
        return codes

    def decode(self, codes: Tensor) -> Tensor:
        """Return the latent [N, D] of ids [N, levels]."""
        total = self.vq.layers[0].codebook.centroids[codes[:, 0]]
        for level in range(1, codes.shape[1]):
            total = total + self.vq.layers[level].codebook.centroids[codes[:, level]]
        return F.linear(total, self.output_proj.weight[..., 0])


class SplitQuantizer(nn.Module):
    """The semantic quantiser and the acoustic one; both see the same latent."""

    def __init__(self, config: MimiConfig, device: Device = None):
        super().__init__()
        self.rvq_first = ResidualQuantizer(1, config, device)
        self.rvq_rest = ResidualQuantizer(config.codebooks - 1, config, device)

    def derive(self) -> None:
        """Compute all centroids; after loading."""
        for module in self.modules():
            if isinstance(module, Codebook):
                module.derive()

    def is_finite(self) -> bool:
        """Tell whether all projections and centroids are finite."""
        tensors = [*self.parameters(), *self.buffers()]
        return all(bool(tensor.isfinite().all()) for tensor in tensors)

    def encode(self, latent: Tensor, codebooks: int) -> Tensor:
        """Quantise latent [B, T, D] to ids int64 [B, codebooks, T]."""
        batch, length, _ = latent.shape
        flat = latent.flatten(0, 1)
        codes = self.rvq_first.encode(flat, 1) + self.rvq_rest.encode(flat, codebooks - 1)
        return torch.stack(codes, -1).view(batch, length, codebooks).transpose(1, 2)

    def decode(self, codes: Tensor) -> Tensor:
        """Return the latent [B, T, D] of ids int64 [B, codebooks, T]."""
        batch, codebooks, length = codes.shape
        flat = codes.transpose(1, 2).flatten(0, 1)
        latent = self.rvq_first.decode(flat[:, :1])
        if codebooks > 1:
            latent = latent + self.rvq_rest.decode(flat[:, 1:])
        return latent.view(batch, length, -1)
