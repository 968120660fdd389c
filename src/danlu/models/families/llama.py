"""Llama: RMSNorm, rotary positions, gated MLP, grouped attention (Touvron 2023)."""

from __future__ import annotations

from typing import Any

from danlu.errors import ModelError
from danlu.models.config import ModelConfig
from danlu.models.family import Family

NAMES = {
    "embed": "model.embed_tokens",
    "blocks.*.attn_norm": "model.layers.*.input_layernorm",
    "blocks.*.attn.{q,k,v}": "model.layers.*.self_attn.{q,k,v}_proj",
    "blocks.*.attn.{q,k}_norm": "model.layers.*.self_attn.{q,k}_norm",
    "blocks.*.attn.out": "model.layers.*.self_attn.o_proj",
    "blocks.*.mlp_norm": "model.layers.*.post_attention_layernorm",
    "blocks.*.mlp.{gate,up,down}": "model.layers.*.mlp.{gate,up,down}_proj",
    "norm": "model.norm",
    "head": "lm_head",
}

KEYS = {
    "vocab_size": "vocab_size",
    "hidden_size": "d_model",
    "num_hidden_layers": "n_layers",
    "num_attention_heads": "n_heads",
    "num_key_value_heads": "n_kv_heads",
    "head_dim": "head_dim",
    "intermediate_size": "d_ff",
    "max_position_embeddings": "max_len",
    "hidden_act": "activation",
    "rms_norm_eps": "norm_eps",
    "attention_bias": "qkv_bias out_bias",
    "tie_word_embeddings": "tied",
}

ACTIVATIONS = {
    "activation": {"silu": "silu", "gelu": "gelu", "gelu_pytorch_tanh": "gelu_tanh", "relu": "relu"}
}

FIXED = {"position": "rope", "norm": "rms", "gated": True}


def read_rope(theirs: dict[str, Any]) -> dict[str, Any]:
    """The rotary base, from the nested spelling of transformers 5 or the flat one of 4."""
    nested = theirs.get("rope_parameters") or {}
    kinds = [nested.get("rope_type"), *_kinds(theirs.get("rope_scaling"))]
    if strange := [kind for kind in kinds if kind not in (None, "default")]:
        raise ModelError(
            f"rotary scaling {strange[0]!r} is not supported yet", expected="unscaled positions"
        )
    flat, inner = theirs.get("rope_theta"), nested.get("rope_theta")
    if flat is not None and inner is not None and flat != inner:
        raise ModelError("config.json gives two rotary bases", got=(flat, inner))
    return {"rope_theta": float(inner or flat or 10_000.0)}


def write_rope(ours: ModelConfig) -> dict[str, Any]:
    """Both spellings: transformers 4 silently takes 10,000 where it finds only the new one."""
    return {
        "rope_parameters": {"rope_type": "default", "rope_theta": ours.rope_theta},
        "rope_theta": ours.rope_theta,
        "rope_scaling": None,
    }


def _kinds(scaling: Any) -> list[Any]:
    return [scaling.get("rope_type") or scaling.get("type")] if isinstance(scaling, dict) else []


FAMILY = Family(
    architecture="LlamaForCausalLM",
    names=NAMES,
    keys=KEYS | {"mlp_bias": "mlp_bias"},
    fixed=FIXED | {"qk_norm": False},
    defaults={"tie_word_embeddings": False},
    ignore=r"rotary_emb\.inv_freq$",
    prefix="model.",
    values=ACTIVATIONS,
    more=read_rope,
    back=write_rope,
)
