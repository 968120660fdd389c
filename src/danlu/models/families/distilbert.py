"""DistilBERT: BERT with half the layers and no sentences A and B (Sanh 2019)."""

from __future__ import annotations

from danlu.models.families import bert
from danlu.models.family import ACTIVATIONS, Family

FAMILY = Family(
    architecture="DistilBertForMaskedLM",
    names={
        "embed": "distilbert.embeddings.word_embeddings",
        "position": "distilbert.embeddings.position_embeddings",
        "embed_norm": "distilbert.embeddings.LayerNorm",
        "blocks.*.attn.{q,k,v,out}": "distilbert.transformer.layer.*.attention.{q,k,v,out}_lin",
        "blocks.*.attn_norm": "distilbert.transformer.layer.*.sa_layer_norm",
        "blocks.*.mlp.{up,down}": "distilbert.transformer.layer.*.ffn.{lin1,lin2}",
        "blocks.*.mlp_norm": "distilbert.transformer.layer.*.output_layer_norm",
        "head.{dense,norm}": "{vocab_transform,vocab_layer_norm}",
        "head": "vocab_projector",
    },
    keys={
        "vocab_size": "vocab_size",
        "dim": "d_model",
        "n_layers": "n_layers",
        "n_heads": "n_heads",
        "hidden_dim": "d_ff",
        "max_position_embeddings": "max_len",
        "activation": "activation",
        "tie_word_embeddings": "tied",
    },
    fixed=bert.ENCODER | {"norm_eps": 1e-12},
    defaults={"tie_word_embeddings": True, "activation": "gelu"},
    must={"sinusoidal_pos_embds": (None, False)},
    values={"activation": ACTIVATIONS},
    copies={"vocab_projector.weight": "embed.weight"},
    ignore=bert.IGNORE,
    prefix="distilbert.",
)
