"""GPT-2: LayerNorm, learned positions, plain MLP, biases everywhere (Radford 2019)."""

from __future__ import annotations

from danlu.models.family import ACTIVATIONS, Family

GELU = {"gelu_new": "gelu_tanh"} | ACTIVATIONS
"""Here the older spelling comes first."""

FAMILY = Family(
    architecture="GPT2LMHeadModel",
    names={
        "embed": "transformer.wte",
        "position": "transformer.wpe",
        "blocks.*.attn_norm": "transformer.h.*.ln_1",
        "blocks.*.attn.{q,k,v}": "transformer.h.*.attn.c_attn T",
        "blocks.*.attn.out": "transformer.h.*.attn.c_proj T",
        "blocks.*.mlp_norm": "transformer.h.*.ln_2",
        "blocks.*.mlp.{up,down}": "transformer.h.*.mlp.{c_fc,c_proj} T",
        "norm": "transformer.ln_f",
        "head": "lm_head",
    },
    keys={
        "vocab_size": "vocab_size",
        "n_embd": "d_model",
        "n_layer": "n_layers",
        "n_head": "n_heads",
        "n_positions": "max_len",
        "activation_function": "activation",
        "layer_norm_epsilon": "norm_eps",
        "tie_word_embeddings": "tied",
    },
    fixed={
        "position": "learned",
        "norm": "layer",
        "gated": False,
        "qk_norm": "none",
        "qkv_bias": True,
        "out_bias": True,
        "mlp_bias": True,
    },
    defaults={
        "tie_word_embeddings": True,
        "activation_function": "gelu_new",
        "layer_norm_epsilon": 1e-5,
    },
    must={
        "scale_attn_weights": (None, True),
        "scale_attn_by_inverse_layer_idx": (None, False),
        "reorder_and_upcast_attn": (None, False),
        "add_cross_attention": (None, False),
    },
    ignore=r"\.attn\.(masked_)?bias$",
    prefix="transformer.",
    values={"activation_function": GELU},
    more=lambda theirs: {"d_ff": theirs.get("n_inner") or 4 * theirs["n_embd"]},
    back=lambda ours: {
        "n_inner": ours.d_ff,
        "n_ctx": ours.max_len,
        "resid_pdrop": ours.dropout,
        "embd_pdrop": ours.dropout,
        "attn_pdrop": 0.0,
    },
)
