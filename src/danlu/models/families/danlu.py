"""Danlu's own spelling, which says every combination of knobs; only Danlu opens it."""

from __future__ import annotations

from danlu.models.config import ModelConfig
from danlu.models.family import Family

ATTENTION = "{q,k,v,out,q_norm,k_norm}"
BLOCK = (
    f"attn.{ATTENTION}",
    f"cross.{ATTENTION}",
    "mlp.{gate,up,down,router}",
    "mlp.experts.@.{gate,up,down}",
    "{attn,cross,mlp}_norm",
    "{attn,cross,mlp}_norm_out",
)
OWN = ("position", "embed_norm", "distance", "norm", *(f"blocks.*.{part}" for part in BLOCK))
ALL = ("embed", "token_type", *OWN, *(f"encoder.{part}" for part in OWN))

FAMILY = Family(
    architecture="DanluTransformer",
    names={name: name for name in (*ALL, "head", "head.{dense,norm}")},
    keys={name: name for name in ModelConfig.model_fields if name not in ("preset", "model_type")},
    local=lambda theirs, layer: True,
)
