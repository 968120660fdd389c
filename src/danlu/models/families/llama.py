"""Llama: RMSNorm, rotary positions, gated MLP, grouped attention (Touvron 2023)."""

from __future__ import annotations

from typing import Any

from danlu.errors import ModelError
from danlu.models.config import ModelConfig
from danlu.models.family import ACTIVATIONS, Family
from danlu.models.spelling import OTHER_FAMILY

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
    "tie_word_embeddings": "tied",
}
BIASES = {"attention_bias": "qkv_bias out_bias"}

SPELLED = {"hidden_act": ACTIVATIONS}
FIXED = {"position": "rope", "norm": "rms", "gated": True, "qk_norm": "none"}
IGNORE = r"rotary_emb\.inv_freq$"


def divides(ours: ModelConfig) -> dict[str, Any]:
    """Nothing, for a shape that transformers opens.

    Raises:
        ModelError: it refuses a width that the heads do not divide, whatever head_dim is.
    """
    if ours.d_model % ours.n_heads:
        raise ModelError(
            f"a {ours.model_type} checkpoint cannot say d_model = {ours.d_model} "
            f"with n_heads = {ours.n_heads}",
            expected="a multiple",
            fix=OTHER_FAMILY,
        )
    return {}


FAMILY = Family(
    architecture="LlamaForCausalLM",
    names=NAMES,
    keys=KEYS | BIASES | {"mlp_bias": "mlp_bias"},
    fixed=FIXED,
    defaults={"tie_word_embeddings": False},
    values=SPELLED,
    back=divides,
    ignore=IGNORE,
    prefix="model.",
)
