"""OLMo 2: norms on the sublayers' outputs, and on all queries and keys together (OLMo 2025)."""

from __future__ import annotations

from danlu.models.families.llama import BIASES, FIXED, IGNORE, KEYS, NAMES, SPELLED
from danlu.models.family import Family

OUTPUT_NORMS = {
    "blocks.*.attn_norm": "model.layers.*.post_attention_layernorm",
    "blocks.*.mlp_norm": "model.layers.*.post_feedforward_layernorm",
}
KNOBS = {key: knob for key, knob in KEYS.items() if key != "head_dim"} | BIASES

FAMILY = Family(
    architecture="Olmo2ForCausalLM",
    names=NAMES | OUTPUT_NORMS,
    keys=KNOBS,
    fixed=FIXED | {"norm_at": "after", "qk_norm": "all"},
    defaults={"tie_word_embeddings": False, "rms_norm_eps": 1e-5},
    values=SPELLED,
    ignore=IGNORE,
    prefix="model.",
)
