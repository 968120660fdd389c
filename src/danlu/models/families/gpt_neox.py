"""GPT-NeoX and Pythia: parallel sublayers, a quarter of each head turns (Black 2022)."""

from __future__ import annotations

from typing import Any

from danlu.models.config import ModelConfig
from danlu.models.family import ACTIVATIONS, Family


def _back(ours: ModelConfig) -> dict[str, Any]:
    return {"rotary_pct": ours.rope_fraction, "rotary_emb_base": ours.rope_theta}


FAMILY = Family(
    architecture="GPTNeoXForCausalLM",
    names={
        "embed": "gpt_neox.embed_in",
        "blocks.*.attn_norm": "gpt_neox.layers.*.input_layernorm",
        "blocks.*.attn.{q,k,v}": "gpt_neox.layers.*.attention.query_key_value heads",
        "blocks.*.attn.out": "gpt_neox.layers.*.attention.dense",
        "blocks.*.mlp_norm": "gpt_neox.layers.*.post_attention_layernorm",
        "blocks.*.mlp.{up,down}": "gpt_neox.layers.*.mlp.dense_{h_to_4h,4h_to_h}",
        "norm": "gpt_neox.final_layer_norm",
        "head": "embed_out",
    },
    keys={
        "vocab_size": "vocab_size",
        "hidden_size": "d_model",
        "num_hidden_layers": "n_layers",
        "num_attention_heads": "n_heads",
        "intermediate_size": "d_ff",
        "max_position_embeddings": "max_len",
        "hidden_act": "activation",
        "layer_norm_eps": "norm_eps",
        "use_parallel_residual": "parallel",
        "attention_bias": "qkv_bias out_bias",
        "tie_word_embeddings": "tied",
    },
    fixed={
        "position": "rope",
        "norm": "layer",
        "qk_norm": "none",
        "gated": False,
        "mlp_bias": True,
    },
    defaults={
        "use_parallel_residual": True,
        "attention_bias": True,
        "tie_word_embeddings": False,
        "layer_norm_eps": 1e-5,
        "hidden_act": "gelu",
        "rotary_pct": 0.25,
    },
    values={"hidden_act": ACTIVATIONS},
    back=_back,
    partial=True,
    ignore=r"rotary_emb\.inv_freq$|attention\.(masked_)?bias$",
    prefix="gpt_neox.",
)
