"""Gemma 3, text only: Gemma 2 with normalised heads, no caps, and a base of its own in windows."""

from __future__ import annotations

from typing import Any

from danlu.models.families.gemma2 import GEMMA, KNOBS, MUST, SANDWICH, TANH, USUAL, back, more
from danlu.models.families.llama import IGNORE
from danlu.models.family import Family


def _local(theirs: dict[str, Any], layer: int) -> bool:
    return (layer + 1) % (theirs.get("sliding_window_pattern") or 6) != 0


FAMILY = Family(
    architecture="Gemma3ForCausalLM",
    names=SANDWICH,
    keys=KNOBS,
    fixed=GEMMA | {"qk_norm": "head"},
    defaults=USUAL,
    must=MUST,
    values=TANH,
    more=more,
    back=back,
    local=_local,
    lists_layers=True,
    base=1_000_000.0,
    two_bases=True,
    local_base=10_000.0,
    ignore=IGNORE,
    prefix="model.",
)
