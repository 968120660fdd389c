"""Llama: RMSNorm, rotary positions, gated MLP, grouped attention (Touvron 2023)."""

from __future__ import annotations

from typing import Any

from danlu.errors import ModelError
from danlu.models.config import ModelConfig
from danlu.models.family import OTHER_FAMILY, Family

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
    "hidden_act": {"silu": "silu", "gelu": "gelu", "gelu_pytorch_tanh": "gelu_tanh", "relu": "relu"}
}

FIXED = {"position": "rope", "norm": "rms", "gated": True}


def read_rope(theirs: dict[str, Any]) -> dict[str, Any]:
    """The rotary base, from the nested spelling of transformers 5 or the flat one of 4.

    Raises:
        ModelError: positions are scaled, or the spellings contradict each other.
    """
    bases = [theirs.get("rope_theta")]
    for key in ("rope_parameters", "rope_scaling"):
        nested = theirs.get(key) or {"rope_type": "default"}
        known = isinstance(nested, dict) and not nested.keys() - {"rope_type", "type", "rope_theta"}
        if not known or nested.get("rope_type", nested.get("type")) != "default":
            raise ModelError(
                f"{key} asks for rotary positions that are not supported yet",
                got=nested,
                expected="rope_type 'default' and rope_theta, no more",
            )
        bases.append(nested.get("rope_theta"))
    different = list(dict.fromkeys(base for base in bases if base is not None))
    if len(different) > 1:
        raise ModelError("config.json gives two rotary bases (rope_theta)", got=different)
    return {"rope_theta": different[0]} if different else {}


def write_rope(ours: ModelConfig) -> dict[str, Any]:
    """Both spellings: transformers 4 silently takes 10,000 where it finds only the new one."""
    return {
        "rope_parameters": {"rope_type": "default", "rope_theta": ours.rope_theta},
        "rope_theta": ours.rope_theta,
        "rope_scaling": None,
    }


def _back(ours: ModelConfig) -> dict[str, Any]:
    if ours.d_model % ours.n_heads:  # transformers refuses to open it, whatever head_dim is
        raise ModelError(
            f"a llama checkpoint cannot say d_model = {ours.d_model} with n_heads = {ours.n_heads}",
            expected="a multiple",
            fix=OTHER_FAMILY,
        )
    return write_rope(ours)


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
    back=_back,
)
