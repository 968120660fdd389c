"""Qwen 3 with experts, in all layers or in some (Yang 2025)."""

from __future__ import annotations

from typing import Any

from danlu.models.config import ModelConfig
from danlu.models.families import qwen2
from danlu.models.families.llama import BIASES, FIXED, IGNORE, KEYS, NAMES, SPELLED
from danlu.models.family import Family


def _more(theirs: dict[str, Any]) -> dict[str, Any]:
    step, dense = theirs["decoder_sparse_step"], theirs.get("mlp_only_layers") or ()
    layers = range(theirs["num_hidden_layers"])
    experts = theirs.get("num_experts") or theirs.get("num_local_experts") or 128
    return {
        "n_experts": experts,
        "dense_layers": tuple(n for n in layers if n in dense or (n + 1) % step),
    }


def _back(ours: ModelConfig) -> dict[str, Any]:
    return qwen2.back(ours) | {
        "moe_intermediate_size": ours.expert_width,
        "decoder_sparse_step": 1,
        "mlp_only_layers": list(ours.dense_layers),
        "num_experts": ours.n_experts,
        "num_local_experts": ours.n_experts,  # transformers 5
    }


FAMILY = Family(
    architecture="Qwen3MoeForCausalLM",
    names=NAMES
    | {
        "blocks.*.mlp.router": "model.layers.*.mlp.gate",
        "blocks.*.mlp.experts.@.{gate,up,down}": (
            "model.layers.*.mlp.experts.@.{gate,up,down}_proj"
        ),
    },
    keys=KEYS
    | BIASES
    | {
        "num_experts_per_tok": "top_k",
        "moe_intermediate_size": "d_expert",
        "norm_topk_prob": "norm_top_k",
        "router_aux_loss_coef": "balance",
    },
    fixed=FIXED | {"qk_norm": "head"},
    defaults={
        "tie_word_embeddings": False,
        "num_key_value_heads": 4,
        "head_dim": 128,
        "moe_intermediate_size": 768,
        "decoder_sparse_step": 1,
        "num_experts_per_tok": 8,
        "norm_topk_prob": False,
        "router_aux_loss_coef": 0.001,
    },
    values=SPELLED,
    more=_more,
    back=_back,
    local=qwen2.local,
    lists_layers=True,
    ignore=IGNORE,
    prefix="model.",
)
