"""Gemma 2: norms on both sides, capped scores and logits, a window in every second layer."""

from __future__ import annotations

from typing import Any

from danlu.models.config import ModelConfig
from danlu.models.families.llama import BIASES, FIXED, IGNORE, KEYS, NAMES
from danlu.models.family import ACTIVATIONS, Family

SANDWICH = NAMES | {
    "blocks.*.attn_norm_out": "model.layers.*.post_attention_layernorm",
    "blocks.*.mlp_norm": "model.layers.*.pre_feedforward_layernorm",
    "blocks.*.mlp_norm_out": "model.layers.*.post_feedforward_layernorm",
}
KNOBS = (
    {key: knob for key, knob in KEYS.items() if key != "hidden_act"}
    | BIASES
    | {
        "hidden_activation": "activation",
        "attn_logit_softcapping": "attn_softcap",
        "final_logit_softcapping": "logit_softcap",
    }
)
GEMMA = FIXED | {"norm_at": "both", "norm_offset": 1}
USUAL = {
    "tie_word_embeddings": True,
    "hidden_activation": "gelu_pytorch_tanh",
    "num_key_value_heads": 4,
    "head_dim": 256,
    "query_pre_attn_scalar": 256,
    "sliding_window": 4096,
}
TANH = {"hidden_activation": ACTIVATIONS}
MUST = {"use_bidirectional_attention": (None, False)}


def more(theirs: dict[str, Any]) -> dict[str, Any]:
    """The two scales: of embeddings by the width, of scores by a number of their own."""
    return {
        "embed_scale": theirs["hidden_size"] ** 0.5,
        "attn_scale": theirs["query_pre_attn_scalar"] ** -0.5,
    }


def back(ours: ModelConfig) -> dict[str, Any]:
    """The number by which scores are scaled, and no cap where there is none."""
    number = round(ours.attn_scale**-2) if ours.attn_scale else ours.head_dim
    caps = {
        "attn_logit_softcapping": ours.attn_softcap,
        "final_logit_softcapping": ours.logit_softcap,
    }
    return {"query_pre_attn_scalar": number} | {key: cap or None for key, cap in caps.items()}


FAMILY = Family(
    architecture="Gemma2ForCausalLM",
    names=SANDWICH,
    keys=KNOBS,
    fixed=GEMMA,
    defaults=USUAL | {"attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0},
    must=MUST,
    values=TANH,
    more=more,
    back=back,
    local=lambda theirs, layer: layer % 2 == 0,
    lists_layers=True,
    ignore=IGNORE,
    prefix="model.",
)
