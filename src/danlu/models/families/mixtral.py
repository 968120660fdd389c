"""Mixtral: Mistral with experts (Jiang 2024)."""

from __future__ import annotations

from danlu.models.families.llama import FIXED, IGNORE, KEYS, NAMES, SPELLED
from danlu.models.family import Family

FAMILY = Family(
    architecture="MixtralForCausalLM",
    names=NAMES
    | {
        "blocks.*.mlp.router": "model.layers.*.block_sparse_moe.gate",
        "blocks.*.mlp.experts.@.{gate,up,down}": (
            "model.layers.*.block_sparse_moe.experts.@.{w1,w3,w2}"
        ),
    },
    keys=KEYS
    | {
        "num_local_experts": "n_experts",
        "num_experts_per_tok": "top_k",
        "router_aux_loss_coef": "balance",
    },
    fixed=FIXED,
    defaults={
        "tie_word_embeddings": False,
        "num_key_value_heads": 8,
        "rms_norm_eps": 1e-5,
        "num_local_experts": 8,
        "num_experts_per_tok": 2,
        "router_aux_loss_coef": 0.001,
    },
    values=SPELLED,
    local=lambda theirs, layer: True,
    base=1_000_000.0,
    ignore=IGNORE,
    prefix="model.",
)
