"""Llama and what is built like it: Mistral 7B, SmolLM 2, Yi, TinyLlama …

Its converter reorders the rows of queries and keys, because llama.cpp turns neighbouring numbers
where transformers turns halves.
"""

from __future__ import annotations

from danlu.models.gguf import rope
from danlu.models.gguf.architecture import Architecture, Json
from danlu.models.gguf.settings import Settings, Sizes

TENSORS = {
    "token_embd.weight": "model.embed_tokens.weight V,D",
    "blk.*.attn_norm.weight": "model.layers.*.input_layernorm.weight D",
    "blk.*.attn_q.weight": "model.layers.*.self_attn.q_proj.weight Q,D",
    "blk.*.attn_k.weight": "model.layers.*.self_attn.k_proj.weight K,D",
    "blk.*.attn_v.weight": "model.layers.*.self_attn.v_proj.weight K,D",
    "blk.*.attn_output.weight": "model.layers.*.self_attn.o_proj.weight D,Q",
    "blk.*.ffn_norm.weight": "model.layers.*.post_attention_layernorm.weight D",
    "blk.*.ffn_gate.weight": "model.layers.*.mlp.gate_proj.weight F,D",
    "blk.*.ffn_up.weight": "model.layers.*.mlp.up_proj.weight F,D",
    "blk.*.ffn_down.weight": "model.layers.*.mlp.down_proj.weight D,F",
    "output_norm.weight": "model.norm.weight D",
}

QKV_BIASES = {
    "blk.*.attn_q.bias": "model.layers.*.self_attn.q_proj.bias Q",
    "blk.*.attn_k.bias": "model.layers.*.self_attn.k_proj.bias K",
    "blk.*.attn_v.bias": "model.layers.*.self_attn.v_proj.bias K",
}

OUT_BIAS = {"blk.*.attn_output.bias": "model.layers.*.self_attn.o_proj.bias D"}

MLP_BIASES = {
    "blk.*.ffn_gate.bias": "model.layers.*.mlp.gate_proj.bias F",
    "blk.*.ffn_up.bias": "model.layers.*.mlp.up_proj.bias F",
    "blk.*.ffn_down.bias": "model.layers.*.mlp.down_proj.bias D",
}

HEAD = {"output.weight": "lm_head.weight V,D"}

TURNED = ("blk.*.attn_q.", "blk.*.attn_k.")


def turned(names: dict[str, str]) -> dict[str, str]:
    """A table whose queries and keys are reordered."""
    return {
        theirs: f"{ours} turned" if theirs.startswith(TURNED) else ours
        for theirs, ours in names.items()
    }


def decoder(settings: Settings, sizes: Sizes) -> Json:
    """What all relatives of Llama say, but for their positions."""
    return {
        "vocab_size": sizes.V,
        "hidden_size": sizes.D,
        "intermediate_size": sizes.F,
        "num_hidden_layers": sizes.layers,
        "num_attention_heads": sizes.heads,
        "num_key_value_heads": sizes.kv_heads,
        "head_dim": sizes.H,
        "max_position_embeddings": sizes.L,
        "hidden_act": "silu",
        "rms_norm_eps": settings.number("attention.layer_norm_rms_epsilon"),
        "attention_bias": "attention_bias" in settings.groups,
        "attention_dropout": 0.0,
        "initializer_range": 0.02,
        "tie_word_embeddings": "head" not in settings.groups,
        "use_cache": True,
    }


def _config(settings: Settings, sizes: Sizes) -> Json:
    return {
        **decoder(settings, sizes),
        "mlp_bias": "mlp_bias" in settings.groups,
        **rope.spellings(rope.parameters(settings, sizes.H)),
    }


ARCHITECTURE = Architecture(
    model_type="llama",
    hf_class="LlamaForCausalLM",
    tensors=turned(TENSORS),
    config=_config,
    groups={
        "head": HEAD,
        "attention_bias": turned(QKV_BIASES) | OUT_BIAS,
        "mlp_bias": MLP_BIASES,
    },
    beside=(rope.FREQUENCIES,),
)
