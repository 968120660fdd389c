"""Qwen 2 and 2.5: Llama with biases before attention, and a window in late layers (Yang 2024)."""

from __future__ import annotations

from typing import Any

from danlu.models.config import ModelConfig
from danlu.models.families.llama import FIXED, IGNORE, KEYS, NAMES, SPELLED
from danlu.models.family import Family


def local(theirs: dict[str, Any], layer: int) -> bool:
    """Whether a layer has a window, in configs that do not list them."""
    late = layer >= (theirs.get("max_window_layers") or 0)
    return bool(theirs.get("use_sliding_window")) and late


def back(ours: ModelConfig) -> dict[str, Any]:
    """What says so in old configs; which layers is in the list."""
    first = next((n for n in range(ours.n_layers) if ours.is_local(n)), ours.n_layers)
    return {"use_sliding_window": ours.window > 0, "max_window_layers": first}


FAMILY = Family(
    architecture="Qwen2ForCausalLM",
    names=NAMES,
    keys={key: knob for key, knob in KEYS.items() if key != "head_dim"},
    fixed=FIXED | {"qkv_bias": True},
    defaults={"tie_word_embeddings": False, "num_key_value_heads": 32},
    values=SPELLED,
    back=back,
    local=local,
    lists_layers=True,
    ignore=IGNORE,
    prefix="model.",
)
