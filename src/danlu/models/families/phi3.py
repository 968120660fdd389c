"""Phi 3 and 4: Llama with stacked matrices (Abdin 2024)."""

from __future__ import annotations

from typing import Any

from danlu.models.config import ModelConfig
from danlu.models.families.llama import FIXED, IGNORE, KEYS, NAMES, SPELLED
from danlu.models.family import Family


def _back(ours: ModelConfig) -> dict[str, Any]:
    longer = ours.rope_trained_len or ours.max_len
    return {"original_max_position_embeddings": longer}


FAMILY = Family(
    architecture="Phi3ForCausalLM",
    names={ours: theirs for ours, theirs in NAMES.items() if ".mlp." not in ours}
    | {
        "blocks.*.attn.{q,k,v}": "model.layers.*.self_attn.qkv_proj",
        "blocks.*.mlp.{gate,up}": "model.layers.*.mlp.gate_up_proj",
        "blocks.*.mlp.down": "model.layers.*.mlp.down_proj",
    },
    keys={key: knob for key, knob in KEYS.items() if key != "head_dim"},
    fixed=FIXED,
    defaults={"tie_word_embeddings": False, "rms_norm_eps": 1e-5},
    values=SPELLED,
    back=_back,
    local=lambda theirs, layer: True,
    partial=True,
    ignore=IGNORE,
    prefix="model.",
)
