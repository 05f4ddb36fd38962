"""Products in bfloat16: where they are used, and that they change nothing that matters."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from personaplex_ros.checkpoint import CheckpointFiles, load_codec
from personaplex_ros.training.learning import precision
from personaplex_ros.training.learning.codec import encoded_from, encoder_layers
from personaplex_ros.training.learning.precision import half_products

CPU = torch.device("cpu")


@pytest.fixture
def able(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, bool]]:
    """Return what the processor is said to be able to do."""
    said: dict[str, bool] = {}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: said)
    precision._has_products.cache_clear()
    yield said
    precision._has_products.cache_clear()


@pytest.mark.parametrize("name", ["avx512_bf16", "amx_bf16"])
def test_a_processor_with_such_products_uses_them(able: dict[str, bool], name: str) -> None:
    able[name] = True
    a = torch.ones(4, 4)
    with half_products(CPU):
        assert (a @ a).dtype == torch.bfloat16


def test_others_and_a_gpu_do_not(able: dict[str, bool]) -> None:
    a = torch.ones(4, 4)
    with half_products(CPU):
        assert (a @ a).dtype == torch.float32
    precision._has_products.cache_clear()
    able["avx512_bf16"] = True
    with half_products(torch.device("cuda")):
        assert (a @ a).dtype == torch.float32


def test_the_codec_hears_the_same(able: dict[str, bool]) -> None:
    """Some convolutions of torch are wrong in bfloat16 on a CPU; these must not be."""
    able["avx512_bf16"] = True
    files = CheckpointFiles.find("nano")
    codec = load_codec(files.mimi, files.mimi_config, "cpu")
    torch.manual_seed(0)
    wave = 0.1 * torch.randn(2, 20 * 1920, 1)
    with torch.no_grad():
        for first in (0, 7):
            x = encoder_layers(codec, wave, 0, first)
            exact = encoded_from(codec, x.clone(), first)
            with half_products(CPU):
                rounded = encoded_from(codec, x.clone(), first)
            off = (rounded.float() - exact).norm() / exact.norm()
            assert 0 < off < 0.02
