"""SmolLM 3: Llama with no positions in every fourth layer (Bakouch 2025)."""

from __future__ import annotations

from typing import Any

from danlu.models.config import ModelConfig
from danlu.models.families.llama import BIASES, FIXED, IGNORE, KEYS, NAMES, SPELLED
from danlu.models.family import Family


def _more(theirs: dict[str, Any]) -> dict[str, Any]:
    if theirs.get("no_rope_layers"):
        return {}
    every, layers = theirs.get("no_rope_layer_interval") or 4, range(theirs["num_hidden_layers"])
    return {"no_rope_layers": tuple(n for n in layers if (n + 1) % every == 0)}


def _back(ours: ModelConfig) -> dict[str, Any]:
    turns = [int(n not in ours.no_rope_layers) for n in range(ours.n_layers)]
    return {"use_sliding_window": False, "no_rope_layers": turns}


FAMILY = Family(
    architecture="SmolLM3ForCausalLM",
    names=NAMES,
    keys=KEYS | BIASES | {"mlp_bias": "mlp_bias"},
    fixed=FIXED,
    defaults={"tie_word_embeddings": True, "num_key_value_heads": 4},
    base=2_000_000.0,
    must={"use_sliding_window": (None, False)},
    values=SPELLED,
    more=_more,
    back=_back,
    ignore=IGNORE,
    prefix="model.",
)
