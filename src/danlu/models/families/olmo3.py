"""OLMo 3: OLMo 2 with a window in three layers of four, which are not scaled (OLMo 2025)."""

from __future__ import annotations

from danlu.models.families.llama import FIXED, IGNORE, NAMES, SPELLED
from danlu.models.families.olmo2 import KNOBS, OUTPUT_NORMS
from danlu.models.family import Family

FAMILY = Family(
    architecture="Olmo3ForCausalLM",
    names=NAMES | OUTPUT_NORMS,
    keys=KNOBS,
    fixed=FIXED | {"norm_at": "after", "qk_norm": "all"},
    defaults={"tie_word_embeddings": False, "sliding_window": 4096, "rms_norm_eps": 1e-5},
    base=500_000.0,
    values=SPELLED,
    local=lambda theirs, layer: (layer + 1) % 4 != 0,
    lists_layers=True,
    two_bases=True,
    ignore=IGNORE,
    prefix="model.",
)
