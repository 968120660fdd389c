"""BART: an encoder-decoder of BERT's blocks, with learned positions in both (Lewis 2019)."""

from __future__ import annotations

from typing import Any

from danlu.models.config import ModelConfig
from danlu.models.family import ACTIVATIONS, Family

NAMES = {
    "embed": "model.shared",
    "encoder.position": "model.encoder.embed_positions",
    "encoder.embed_norm": "model.encoder.layernorm_embedding",
    "encoder.blocks.*.attn.{q,k,v,out}": "model.encoder.layers.*.self_attn.{q,k,v,out}_proj",
    "encoder.blocks.*.mlp.{up,down}": "model.encoder.layers.*.{fc1,fc2}",
    "encoder.blocks.*.{attn,mlp}_norm": "model.encoder.layers.*.{self_attn,final}_layer_norm",
    "position": "model.decoder.embed_positions",
    "embed_norm": "model.decoder.layernorm_embedding",
    "blocks.*.attn.{q,k,v,out}": "model.decoder.layers.*.self_attn.{q,k,v,out}_proj",
    "blocks.*.cross.{q,k,v,out}": "model.decoder.layers.*.encoder_attn.{q,k,v,out}_proj",
    "blocks.*.mlp.{up,down}": "model.decoder.layers.*.{fc1,fc2}",
    "blocks.*.{attn,cross,mlp}_norm": (
        "model.decoder.layers.*.{self_attn,encoder_attn,final}_layer_norm"
    ),
    "head": "lm_head",
}


def _more(theirs: dict[str, Any]) -> dict[str, Any]:
    encoder, decoder = theirs["encoder_layers"], theirs["decoder_layers"]
    return {
        "n_encoder_layers": encoder if encoder != decoder else 0,
        "embed_scale": theirs["d_model"] ** 0.5 if theirs.get("scale_embedding") else 1.0,
    }


def _back(ours: ModelConfig) -> dict[str, Any]:
    return {
        "encoder_layers": ours.encoder_layers or ours.n_layers,
        "num_hidden_layers": ours.encoder_layers or ours.n_layers,
        "scale_embedding": ours.embed_scale != 1,
        "is_encoder_decoder": True,
    }


FAMILY = Family(
    architecture="BartForConditionalGeneration",
    names=NAMES,
    keys={
        "vocab_size": "vocab_size",
        "d_model": "d_model",
        "decoder_layers": "n_layers",
        "encoder_attention_heads": "n_heads n_kv_heads",
        "decoder_attention_heads": "n_heads n_kv_heads",
        "encoder_ffn_dim": "d_ff",
        "decoder_ffn_dim": "d_ff",
        "max_position_embeddings": "max_len",
        "activation_function": "activation",
        "decoder_start_token_id": "start_token",
    },
    fixed={
        "kind": "encoder-decoder",
        "position": "learned",
        "first_position": 2,
        "norm": "layer",
        "norm_at": "sum",
        "norm_eps": 1e-5,
        "embed_norm": True,
        "final_norm": False,
        "gated": False,
        "qk_norm": "none",
        "qkv_bias": True,
        "out_bias": True,
        "mlp_bias": True,
        "tied": True,
    },
    defaults={
        "activation_function": "gelu",
        "encoder_layers": 12,
        "decoder_start_token_id": 2,
    },
    must={
        "tie_word_embeddings": (None, True),
        "normalize_before": (None, False),
        "normalize_embedding": (None, True),
        "add_final_layer_norm": (None, False),
        "add_bias_logits": (None, False),
        "static_position_embeddings": (None, False),
        "extra_pos_embeddings": (None, 2),
    },
    values={"activation_function": ACTIVATIONS},
    more=_more,
    back=_back,
    copies={
        "model.encoder.embed_tokens.weight": "embed.weight",
        "model.decoder.embed_tokens.weight": "embed.weight",
    },
    zeros=("final_logits_bias",),
    prefix="model.",
)
