"""BERT: an encoder, norms on the sums, sentences A and B (Devlin 2018)."""

from __future__ import annotations

from danlu.models.family import ACTIVATIONS, Family

NAMES = {
    "embed": "bert.embeddings.word_embeddings",
    "position": "bert.embeddings.position_embeddings",
    "token_type": "bert.embeddings.token_type_embeddings",
    "embed_norm": "bert.embeddings.LayerNorm",
    "blocks.*.attn.{q,k,v}": "bert.encoder.layer.*.attention.self.{query,key,value}",
    "blocks.*.attn.out": "bert.encoder.layer.*.attention.output.dense",
    "blocks.*.attn_norm": "bert.encoder.layer.*.attention.output.LayerNorm",
    "blocks.*.mlp.{up,down}": "bert.encoder.layer.*.{intermediate,output}.dense",
    "blocks.*.mlp_norm": "bert.encoder.layer.*.output.LayerNorm",
    "head.{dense,norm}": "cls.predictions.transform.{dense,LayerNorm}",
    "head": "cls.predictions",  # its bias; the weight is the embedding
}
KEYS = {
    "vocab_size": "vocab_size",
    "hidden_size": "d_model",
    "num_hidden_layers": "n_layers",
    "num_attention_heads": "n_heads",
    "intermediate_size": "d_ff",
    "max_position_embeddings": "max_len",
    "hidden_act": "activation",
    "layer_norm_eps": "norm_eps",
    "type_vocab_size": "n_token_types",
}
ENCODER = {
    "kind": "encoder",
    "position": "learned",
    "norm": "layer",
    "norm_at": "sum",
    "embed_norm": True,
    "final_norm": False,
    "gated": False,
    "qk_norm": "none",
    "qkv_bias": True,
    "out_bias": True,
    "mlp_bias": True,
    "head_bias": True,
    "head_mlp": True,
    "tied": True,
}
DEFAULTS = {"layer_norm_eps": 1e-12, "hidden_act": "gelu"}
IGNORE = r"position_ids$|pooler\.|seq_relationship\."

FAMILY = Family(
    architecture="BertForMaskedLM",
    names=NAMES,
    keys=KEYS,
    fixed=ENCODER,
    defaults=DEFAULTS | {"type_vocab_size": 2},
    must={
        "tie_word_embeddings": (None, True),
        "is_decoder": (None, False),
        "position_embedding_type": (None, "absolute"),
    },
    values={"hidden_act": ACTIVATIONS},
    copies={
        "cls.predictions.decoder.weight": "embed.weight",
        "cls.predictions.decoder.bias": "head.bias",
    },
    ignore=IGNORE,
    prefix="bert.",
)
