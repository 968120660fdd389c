"""Qwen 3: Llama with normalised queries and keys (Yang 2025). Danlu's default."""

from __future__ import annotations

from danlu.models.families.llama import BIASES, FIXED, IGNORE, KEYS, NAMES, SPELLED
from danlu.models.families.qwen2 import back, local
from danlu.models.family import Family

FAMILY = Family(
    architecture="Qwen3ForCausalLM",
    names=NAMES,
    keys=KEYS | BIASES,
    fixed=FIXED | {"qk_norm": "head"},
    defaults={"tie_word_embeddings": False, "num_key_value_heads": 32, "head_dim": 128},
    values=SPELLED,
    back=back,
    local=local,
    lists_layers=True,
    ignore=IGNORE,
    prefix="model.",
)
