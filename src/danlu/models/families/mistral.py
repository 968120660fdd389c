"""Mistral: Llama whose layers see a window (Jiang 2023)."""

from __future__ import annotations

from danlu.models.families.llama import FIXED, IGNORE, KEYS, NAMES, SPELLED
from danlu.models.family import Family

FAMILY = Family(
    architecture="MistralForCausalLM",
    names=NAMES,
    keys=KEYS,
    fixed=FIXED,
    defaults={
        "tie_word_embeddings": False,
        "sliding_window": 4096,
        "num_key_value_heads": 8,
    },
    values=SPELLED,
    local=lambda theirs, layer: True,
    ignore=IGNORE,
    prefix="model.",
)
