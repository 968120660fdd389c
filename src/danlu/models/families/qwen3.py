"""Qwen 3: Llama with normalised queries and keys (Yang 2025). Danlu's default."""

from __future__ import annotations

from typing import Any

from danlu.errors import ModelError
from danlu.models.config import ModelConfig
from danlu.models.families.llama import ACTIVATIONS, FIXED, KEYS, NAMES, read_rope, write_rope
from danlu.models.family import Family


def _more(theirs: dict[str, Any]) -> dict[str, Any]:
    if set(theirs.get("layer_types") or ()) - {"full_attention"}:
        raise ModelError(
            "layer_types asks for attention that is not supported yet",
            got=theirs["layer_types"],
            expected="'full_attention' in every layer",
        )
    return read_rope(theirs)


def _back(ours: ModelConfig) -> dict[str, Any]:
    return write_rope(ours) | {
        "use_sliding_window": False,
        "sliding_window": None,
        "max_window_layers": ours.n_layers,
        "layer_types": ["full_attention"] * ours.n_layers,
    }


FAMILY = Family(
    architecture="Qwen3ForCausalLM",
    names=NAMES,
    keys=KEYS,
    fixed=FIXED | {"qk_norm": True},
    defaults={"tie_word_embeddings": False, "head_dim": 128},
    must={"use_sliding_window": (None, False)},
    ignore=r"rotary_emb\.inv_freq$",
    prefix="model.",
    values=ACTIVATIONS,
    more=_more,
    back=_back,
)
