"""Published shapes by name: GPT-2's four and GPT-3's eight.

Sources: Radford 2019, Table 2 (with the head counts of the released models); Brown 2020, Table 2.1,
context 2,048. Two rows of that table contradict themselves and are taken as they must have been:
24 heads of 128 are not 2,048 wide (1.3B: 16 heads), nor are 40 of 128 5,140 (13B: 5,120).
GPT-3's alternating sparse attention is not part of a shape; these are dense.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from danlu import discover

SHAPES = {  # layers, width, heads
    "gpt2": (12, 768, 12),
    "gpt2-medium": (24, 1024, 16),
    "gpt2-large": (36, 1280, 20),
    "gpt2-xl": (48, 1600, 25),
    "gpt3-125m": (12, 768, 12),
    "gpt3-350m": (24, 1024, 16),
    "gpt3-760m": (24, 1536, 16),
    "gpt3-1.3b": (24, 2048, 16),
    "gpt3-2.7b": (32, 2560, 32),
    "gpt3-6.7b": (32, 4096, 32),
    "gpt3-13b": (40, 5120, 40),
    "gpt3-175b": (96, 12288, 96),
}

CLASSIC = {
    "model_type": "gpt2",
    "vocab_size": 50_257,
    "position": "learned",
    "qk_norm": "none",
    "qkv_bias": True,
    "out_bias": True,
    "norm": "layer",
    "norm_eps": 1e-5,
    "activation": "gelu_tanh",
    "gated": False,
    "mlp_bias": True,
    "tied": True,
}
"""What all of them share."""


def knobs(name: str) -> dict[str, Any]:
    """The settings of a published shape.

    Raises:
        ValueError: there is none of this name; the message has the nearest and the list.

    >>> knobs("gpt3-175b")["d_ff"], knobs("gpt2-xl")["head_dim"]
    (49152, 64)
    """
    if name not in SHAPES:
        hint = discover.nearest(name, SHAPES)
        meant = f"did you mean {hint}? " if hint else ""
        raise ValueError(f"no preset {name!r}; {meant}There are {', '.join(SHAPES)}")
    layers, width, heads = SHAPES[name]
    return CLASSIC | {
        "n_layers": layers,
        "d_model": width,
        "n_heads": heads,
        "n_kv_heads": heads,
        "head_dim": width // heads,
        "d_ff": 4 * width,
        "max_len": 1024 if name.startswith("gpt2") else 2048,
    }


def filled(given: Mapping[str, Any], usual: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with a preset's in the place of those that are not given, or given as `usual`.

    A command line gives every setting, so one that is as usual cannot be told from one not given.

    >>> filled({"preset": "gpt2", "n_layers": 6, "d_model": 128}, {"d_model": 128})["d_model"]
    768
    """
    name = given.get("preset")
    if not name:
        return dict(given)
    chosen = {key: value for key, value in given.items() if usual.get(key) != value}
    return {**given, **knobs(str(name)), **chosen, "preset": ""}
