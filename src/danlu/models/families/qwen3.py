"""Qwen 3: Llama with normalised queries and keys (Yang 2025). Danlu's default."""

from __future__ import annotations

from danlu.models.families.llama import ACTIVATIONS, FIXED, KEYS, NAMES, read_rope, write_rope
from danlu.models.family import Family

FAMILY = Family(
    architecture="Qwen3ForCausalLM",
    names=NAMES,
    keys=KEYS,
    fixed=FIXED | {"qk_norm": True},
    defaults={"tie_word_embeddings": False},
    must={"use_sliding_window": (None, False)},
    ignore=r"rotary_emb\.inv_freq$",
    prefix="model.",
    values=ACTIVATIONS,
    more=read_rope,
    back=lambda ours: (
        write_rope(ours)
        | {
            "use_sliding_window": False,
            "sliding_window": None,
            "max_window_layers": ours.n_layers,
            "layer_types": ["full_attention"] * ours.n_layers,
        }
    ),
)
