"""ModernBERT: an encoder of today's parts, windows in two layers of three (Warner 2024)."""

from __future__ import annotations

from typing import Any

from danlu.models.family import ACTIVATIONS, Family
from danlu.models.layers import BOTH_SIDES


def _local(theirs: dict[str, Any], layer: int) -> bool:
    return layer % (theirs.get("global_attn_every_n_layers") or 3) != 0


FAMILY = Family(
    architecture="ModernBertForMaskedLM",
    names={
        "embed": "model.embeddings.tok_embeddings",
        "embed_norm": "model.embeddings.norm",
        "blocks.*.attn_norm": "model.layers.*.attn_norm",
        "blocks.*.attn.{q,k,v}": "model.layers.*.attn.Wqkv",
        "blocks.*.attn.out": "model.layers.*.attn.Wo",
        "blocks.*.mlp_norm": "model.layers.*.mlp_norm",
        "blocks.*.mlp.{gate,up}": "model.layers.*.mlp.Wi",
        "blocks.*.mlp.down": "model.layers.*.mlp.Wo",
        "norm": "model.final_norm",
        "head.{dense,norm}": "head.{dense,norm}",
        "head": "decoder",
    },
    keys={
        "vocab_size": "vocab_size",
        "hidden_size": "d_model",
        "num_hidden_layers": "n_layers",
        "num_attention_heads": "n_heads",
        "intermediate_size": "d_ff",
        "max_position_embeddings": "max_len",
        "hidden_activation": "activation",
        "norm_eps": "norm_eps",
        "norm_bias": "norm_bias",
        "attention_bias": "qkv_bias out_bias",
        "mlp_bias": "mlp_bias",
        "decoder_bias": "head_bias",
        "tie_word_embeddings": "tied",
    },
    fixed={
        "kind": "encoder",
        "position": "rope",
        "norm": "layer",
        "norm_bias": False,
        "qk_norm": "none",
        "embed_norm": True,
        "first_norm": False,
        "head_mlp": True,
        "gated": True,
    },
    defaults={
        "tie_word_embeddings": True,
        "hidden_activation": "gelu",
        "norm_eps": 1e-5,
        "decoder_bias": True,
        "local_attention": 128,
    },
    must={"classifier_bias": (None, False), "classifier_activation": (None, "gelu")},
    values={"hidden_activation": ACTIVATIONS},
    local=_local,
    lists_layers=True,
    window=BOTH_SIDES,
    base=160_000.0,
    two_bases=True,
    local_base=10_000.0,
    copies={"decoder.weight": "embed.weight"},
    ignore=r"rotary_emb\.inv_freq$",
    prefix="model.",
)
