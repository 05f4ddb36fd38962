"""Other people's implementations of the same models, given our weights.

``transformers`` and ``moshi`` are needed for tests alone. Theirs are tensors of other names and,
for the rotary embedding of ``transformers``, in another order; the tables below say which.
"""

from __future__ import annotations

import os
import re

import pytest
import torch
from torch import Tensor, nn

from personaplex_ros.lm import LanguageModel, LMConfig
from personaplex_ros.mimi import Mimi

os.environ.setdefault("NO_TORCH_COMPILE", "1")  # moshi would ask for a C++ compiler

# Our names -> those of transformers, as regular expressions tried in this order.
MIMI_NAMES = (
    (r"^(encoder|decoder)\.model", r"\1.layers"),
    (r"(block\.\d+|layers\.\d+)\.(conv\.conv|convtr\.convtr)", r"\1.conv"),
    (r"_transformer\.transformer", "_transformer"),
    (r"^downsample\.conv\.conv\.conv", "downsample.conv"),
    (r"^upsample\.convtr\.convtr\.convtr", "upsample.conv"),
    (r"rvq_first", "semantic_residual_vector_quantizer"),
    (r"rvq_rest", "acoustic_residual_vector_quantizer"),
    (r"vq\.layers\.(\d+)\._codebook", r"layers.\1.codebook"),
    (r"embedding_sum", "embed_sum"),
    (r"_initialized", "initialized"),
    (r"norm1", "input_layernorm"),
    (r"norm2", "post_attention_layernorm"),
    (r"layer_scale_1", "self_attn_layer_scale"),
    (r"layer_scale_2", "mlp_layer_scale"),
    (r"linear([12])", r"mlp.fc\1"),
    (r"out_proj", "o_proj"),
)  # fmt: skip
# transformers 5.23 has an encoder and a decoder that hold their parts; 5.20 has the parts alone.
MIMI_NESTED_NAMES = (
    (r"^(encoder|decoder)\.layers", r"\1.\1_seanet.layers"),
    (r"^(encoder|decoder)_transformer", r"\1.\1_transformer"),
    (r"^downsample", "encoder.downsample"),
    (r"^upsample", "decoder.upsample"),
)
TEMPORAL_NAMES = (
    (r"^transformer\.", "model."),
    (r"^out_norm\.alpha", "model.norm.weight"),
    (r"^text_emb", "model.embed_tokens"),
    (r"^text_linear", "lm_head"),
    (r"norm1\.alpha", "input_layernorm.weight"),
    (r"norm2\.alpha", "post_attention_layernorm.weight"),
    (r"gating\.linear_in", "mlp.fc1"),
    (r"gating\.linear_out", "mlp.fc2"),
    (r"out_proj", "o_proj.linear"),
)


def transformers_mimi(codec: Mimi) -> nn.Module:
    """Return transformers' Mimi with the weights of ``codec``."""
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    c = codec.config
    theirs = transformers.MimiModel(
        transformers.MimiConfig(
            hidden_size=c.dimension, num_filters=c.filters, upsampling_ratios=list(c.ratios),
            codebook_size=c.cardinality, codebook_dim=c.code_dimension,
            vector_quantization_hidden_dimension=c.code_dimension, num_quantizers=c.codebooks,
            num_hidden_layers=c.layers, intermediate_size=c.hidden, upsample_groups=c.dimension,
            num_attention_heads=c.heads, num_key_value_heads=c.heads, sliding_window=c.context,
        )
    )  # fmt: skip
    nested = any(name.startswith("encoder.encoder_seanet") for name in theirs.state_dict())
    table = MIMI_NAMES + (MIMI_NESTED_NAMES if nested else ())
    state = {}
    for name, tensor in codec.state_dict().items():
        name = _renamed(name, table)
        if name.endswith("in_proj_weight"):
            stem = name.removesuffix("in_proj_weight")
            for letter, part in zip("qkv", _halves_in_front(tensor, c.heads), strict=True):
                state[f"{stem}{letter}_proj.weight"] = part
        else:
            state[name] = tensor
    theirs.load_state_dict(state)
    return theirs.eval()


def moshi_mimi(codec: Mimi, context: int) -> nn.Module:
    """Return moshi's Mimi with the weights of ``codec``."""
    loaders = pytest.importorskip("moshi.models.loaders", reason="moshi or einops is missing")
    c = codec.config
    seanet = loaders._seanet_kwargs | {
        "dimension": c.dimension, "n_filters": c.filters, "ratios": list(c.ratios)
    }  # fmt: skip
    transformer = loaders._transformer_kwargs | {
        "d_model": c.dimension, "num_heads": c.heads, "num_layers": c.layers, "context": context,
        "dim_feedforward": c.hidden, "input_dimension": c.dimension,
        "output_dimensions": [c.dimension],
    }  # fmt: skip
    quantizer = {
        "dimension": c.code_dimension, "n_q": c.codebooks, "bins": c.cardinality,
        "input_dimension": c.dimension, "output_dimension": c.dimension,
    }  # fmt: skip
    parts = {"seanet": seanet, "transformer": transformer, "quantizer": quantizer}
    rates = {"sample_rate": c.sample_rate, "frame_rate": c.frame_rate, "channels": 1}
    theirs = loaders.get_mimi(None, rates | parts, num_codebooks=c.codebooks)
    theirs.load_state_dict(codec.state_dict())
    return theirs.eval()


def moshi_lm(lm: LanguageModel, context: int) -> nn.Module:
    """Return moshi's language model with the weights of ``lm``."""
    loaders = pytest.importorskip("moshi.models.loaders", reason="moshi or einops is missing")
    c = lm.config
    sizes = {
        "dim": c.dim, "num_heads": c.heads, "num_layers": c.layers, "context": context,
        "hidden_scale": 1.5 * c.hidden / c.dim, "text_card": c.text_cardinality,
        "card": c.cardinality, "n_q": c.audio_rows, "dep_q": c.depth_steps,
        "delays": list(c.delays), "depformer_dim": c.depth_dim,
        "depformer_dim_feedforward": 3 * c.depth_hidden // 2,
        "depformer_num_heads": c.depth_heads, "depformer_num_layers": c.depth_layers,
    }  # fmt: skip
    theirs = loaders.get_moshi_lm(
        None, loaders._lm_kwargs | sizes, "meta", lm.text_emb.weight.dtype
    )
    theirs.load_state_dict(lm.state_dict(), assign=True)
    return theirs.eval()


def transformers_moshi(lm: LanguageModel) -> tuple[nn.Module, nn.Module]:
    """Return transformers' temporal and depth transformer with the weights of ``lm``."""
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    c = lm.config
    depth_config = transformers.models.moshi.configuration_moshi.MoshiDepthConfig(
        vocab_size=c.text_cardinality, audio_vocab_size=c.cardinality, input_size=c.dim,
        hidden_size=c.depth_dim, num_hidden_layers=c.depth_layers, num_codebooks=c.depth_steps,
        num_attention_heads=c.depth_heads, ffn_dim=2 * c.depth_hidden,
    )  # fmt: skip
    config = transformers.MoshiConfig(
        vocab_size=c.text_cardinality, audio_vocab_size=c.cardinality, hidden_size=c.dim,
        num_hidden_layers=c.layers, num_attention_heads=c.heads, ffn_dim=2 * c.hidden,
        sliding_window=c.context, num_codebooks=c.codebooks,
    )  # fmt: skip
    modeling = transformers.models.moshi.modeling_moshi
    temporal, depth = modeling.MoshiForCausalLM(config), modeling.MoshiDepthDecoder(depth_config)
    ours = lm.state_dict()
    temporal.load_state_dict(_temporal_state(ours, c))
    depth.load_state_dict(_depth_state(ours, c))
    return temporal.eval(), depth.eval()


def _temporal_state(ours: dict[str, Tensor], config: LMConfig) -> dict[str, Tensor]:
    state = {}
    for name, tensor in ours.items():
        if name.startswith(("depformer", "linears", "emb.")):
            continue
        name = _renamed(name, TEMPORAL_NAMES)
        if name.endswith("in_proj_weight"):
            stem = name.removesuffix("in_proj_weight")
            for letter, part in zip("qkv", _halves_in_front(tensor, config.heads), strict=True):
                state[f"{stem}{letter}_proj.linear.weight"] = part
        else:
            state[name] = tensor.flatten() if "norm" in name else tensor
    return state


def _depth_state(ours: dict[str, Tensor], config: LMConfig) -> dict[str, Tensor]:
    def stacked(pattern: str) -> Tensor:
        return torch.stack([ours[pattern.format(step)] for step in range(config.depth_steps)])

    state = {
        "text_embed_tokens.weight": ours["depformer_text_emb.weight"],
        "input_projections.weight": stacked("depformer_in.{}.weight"),
        "lm_heads.weight": stacked("linears.{}.weight"),
    }
    for step in range(config.depth_steps - 1):
        state[f"embed_tokens.{step}.weight"] = ours[f"depformer_emb.{step}.weight"]
    for layer in range(config.depth_layers):
        source, target = f"depformer.layers.{layer}", f"layers.{layer}"
        for norm, name in (("norm1", "input_layernorm"), ("norm2", "post_attention_layernorm")):
            state[f"{target}.{name}.weight"] = ours[f"{source}.{norm}.alpha"].flatten()
        for linear, name in (("linear_in", "fc1"), ("linear_out", "fc2")):
            weight = stacked(f"{source}.gating.{{}}.{linear}.weight")
            state[f"{target}.mlp.{name}.weight"] = weight
        packed = ours[f"{source}.self_attn.in_proj_weight"].unflatten(
            0, (config.depth_steps, 3, config.depth_dim)
        )
        for index, letter in enumerate("qkv"):
            state[f"{target}.self_attn.{letter}_proj.linear.weight"] = packed[:, index]
        out = ours[f"{source}.self_attn.out_proj.weight"]
        out = out.unflatten(0, (config.depth_steps, config.depth_dim))
        state[f"{target}.self_attn.o_proj.linear.weight"] = out
    return state


def _renamed(name: str, table: tuple[tuple[str, str], ...]) -> str:
    for pattern, replacement in table:
        name = re.sub(pattern, replacement, name)
    return name


def _halves_in_front(packed: Tensor, heads: int) -> tuple[Tensor, Tensor, Tensor]:
    """Unpack q, k and v; q and k with each head's pairs as two halves, for rotation by halves."""
    query, key, value = packed.chunk(3)

    def reordered(weight: Tensor) -> Tensor:
        return weight.unflatten(0, (heads, -1, 2)).transpose(1, 2).flatten(0, 2)

    return reordered(query), reordered(key), value
