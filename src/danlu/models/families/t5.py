"""T5, v1.1 and Flan: an encoder-decoder with learned distances, unscaled scores (Raffel 2020)."""

from __future__ import annotations

from typing import Any

from danlu.models.config import ModelConfig
from danlu.models.family import Family

ATTENTION = {
    "embed": "shared",
    "encoder.blocks.*.attn.{q,k,v,out}": "encoder.block.*.layer.0.SelfAttention.{q,k,v,o}",
    "blocks.*.attn.{q,k,v,out}": "decoder.block.*.layer.0.SelfAttention.{q,k,v,o}",
    "blocks.*.cross.{q,k,v,out}": "decoder.block.*.layer.1.EncDecAttention.{q,k,v,o}",
    "encoder.blocks.*.{attn,mlp}_norm": "encoder.block.*.layer.{0,1}.layer_norm",
    "blocks.*.{attn,cross,mlp}_norm": "decoder.block.*.layer.{0,1,2}.layer_norm",
    "encoder.distance": "encoder.block.0.layer.0.SelfAttention.relative_attention_bias",
    "distance": "decoder.block.0.layer.0.SelfAttention.relative_attention_bias",
    "encoder.norm": "encoder.final_layer_norm",
    "norm": "decoder.final_layer_norm",
    "head": "lm_head",
}
GATED = {
    "encoder.blocks.*.mlp.{gate,up,down}": "encoder.block.*.layer.1.DenseReluDense.{wi_0,wi_1,wo}",
    "blocks.*.mlp.{gate,up,down}": "decoder.block.*.layer.2.DenseReluDense.{wi_0,wi_1,wo}",
}
PLAIN = {
    "encoder.blocks.*.mlp.{up,down}": "encoder.block.*.layer.1.DenseReluDense.{wi,wo}",
    "blocks.*.mlp.{up,down}": "decoder.block.*.layer.2.DenseReluDense.{wi,wo}",
}
MLPS = {
    "relu": (False, "relu"),
    "gelu": (False, "gelu"),
    "gated-gelu": (True, "gelu_tanh"),
    "gated-silu": (True, "silu"),
    "gated-relu": (True, "relu"),
    "gelu_new": (False, "gelu_tanh"),
    "silu": (False, "silu"),
}
"""Their spelling of an MLP → gated or not, and its nonlinearity."""


def _more(theirs: dict[str, Any]) -> dict[str, Any]:
    gated, activation = MLPS[theirs["feed_forward_proj"]]
    tied = theirs["tie_word_embeddings"]
    scaled = theirs.get("scale_decoder_outputs", tied)
    decoder = theirs.get("num_decoder_layers") or theirs["num_layers"]
    encoder = theirs["num_layers"]
    return {
        "gated": gated,
        "activation": activation,
        "logit_scale": theirs["d_model"] ** -0.5 if scaled else 1.0,
        "n_layers": decoder,
        "n_encoder_layers": encoder if encoder != decoder else 0,
        "max_len": theirs.get("n_positions") or 512,
    }


def _back(ours: ModelConfig) -> dict[str, Any]:
    mlp = (ours.gated, ours.activation)
    return {
        "feed_forward_proj": next((name for name, own in MLPS.items() if own == mlp), "relu"),
        "scale_decoder_outputs": ours.logit_scale != 1,
        "num_layers": ours.encoder_layers or ours.n_layers,
        "num_decoder_layers": ours.n_layers,
        "n_positions": ours.max_len,
        "is_encoder_decoder": True,
        "relative_attention_num_buckets": 32,
        "relative_attention_max_distance": 128,
    }


FAMILY = Family(
    architecture="T5ForConditionalGeneration",
    names=lambda c: ATTENTION | (GATED if c.gated else PLAIN),
    keys={
        "vocab_size": "vocab_size",
        "d_model": "d_model",
        "num_layers": "n_layers",
        "num_heads": "n_heads n_kv_heads",
        "d_kv": "head_dim",
        "d_ff": "d_ff",
        "layer_norm_epsilon": "norm_eps",
        "tie_word_embeddings": "tied",
        "decoder_start_token_id": "start_token",
    },
    fixed={
        "kind": "encoder-decoder",
        "position": "relative",
        "attn_scale": 1.0,
        "norm": "rms",
        "qk_norm": "none",
    },
    defaults={
        "tie_word_embeddings": True,
        "d_kv": 64,
        "feed_forward_proj": "relu",
        "layer_norm_epsilon": 1e-6,
        "decoder_start_token_id": 0,
    },
    must={
        "feed_forward_proj": tuple(MLPS),
        "relative_attention_num_buckets": (None, 32),
        "relative_attention_max_distance": (None, 128),
    },
    more=_more,
    back=_back,
    copies={
        "encoder.embed_tokens.weight": "embed.weight",
        "decoder.embed_tokens.weight": "embed.weight",
    },
    tied_in_name=True,
)
