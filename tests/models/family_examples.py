"""Hugging Face's families, tiny and with random weights in every tensor."""

from __future__ import annotations

from typing import Any

import torch

V, D, LAYERS, HEADS, LONG = 304, 64, 4, 4, 256

BASE: dict[str, Any] = {
    "vocab_size": V,
    "hidden_size": D,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "intermediate_size": 96,
    "max_position_embeddings": LONG,
    "pad_token_id": 3,
    "bos_token_id": 0,
    "eos_token_id": 0,
}
PLAIN = {k: v for k, v in BASE.items() if k not in ("num_key_value_heads", "head_dim")}
GPT2: dict[str, Any] = {
    "vocab_size": V,
    "n_embd": D,
    "n_layer": LAYERS,
    "n_head": HEADS,
    "n_positions": LONG,
    "bos_token_id": 0,
    "eos_token_id": 0,
}
T5: dict[str, Any] = {
    "vocab_size": V,
    "d_model": D,
    "num_layers": 3,
    "num_decoder_layers": 2,
    "num_heads": HEADS,
    "d_kv": 16,
    "d_ff": 96,
}
BART: dict[str, Any] = {
    "vocab_size": V,
    "d_model": D,
    "encoder_layers": 3,
    "decoder_layers": 2,
    "encoder_attention_heads": HEADS,
    "decoder_attention_heads": HEADS,
    "encoder_ffn_dim": 96,
    "decoder_ffn_dim": 96,
    "max_position_embeddings": LONG,
}
LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
    "rope_theta": 500_000.0,
}
YARN = {
    "rope_type": "yarn",
    "factor": 4.0,
    "original_max_position_embeddings": 64,
    "rope_theta": 1e6,
}
LONGROPE = {
    "rope_type": "longrope",
    "short_factor": [1.0 + 0.1 * i for i in range(6)],
    "long_factor": [2.0 + i for i in range(6)],
    "original_max_position_embeddings": 20,
    "rope_theta": 1e4,
    "partial_rotary_factor": 0.75,
}
USUAL = {"rope_type": "default", "rope_theta": 1e4}
SMALL_EXPERTS = {"num_experts": 8, "moe_intermediate_size": 48}


def rope(**parameters: Any) -> dict[str, Any]:
    return {"rope_parameters": parameters}


CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "gpt2": ("gpt2", GPT2),
    "llama": ("llama", BASE),
    "llama multi-query": ("llama", BASE | {"num_key_value_heads": 1}),
    "llama 3.1's rope": ("llama", BASE | rope(**LLAMA3)),
    "llama linear rope, biases, tied": (
        "llama",
        BASE
        | rope(rope_type="linear", factor=2.0, rope_theta=1e4)
        | {"attention_bias": True, "mlp_bias": True, "tie_word_embeddings": True},
    ),
    "llama yarn": ("llama", BASE | rope(**YARN, attention_factor=1.05, beta_fast=20)),
    "mistral window": ("mistral", BASE | {"sliding_window": 8}),
    "mistral no window": ("mistral", BASE | {"sliding_window": None}),
    "mixtral": (
        "mixtral",
        BASE | {"num_local_experts": 4, "num_experts_per_tok": 2, "sliding_window": None},
    ),
    "qwen2 tied": ("qwen2", BASE | {"tie_word_embeddings": True}),
    "qwen2 window from layer 2, yarn": (
        "qwen2",
        BASE
        | {"use_sliding_window": True, "sliding_window": 8, "max_window_layers": 2}
        | rope(**YARN),
    ),
    "qwen3 wide heads": ("qwen3", BASE | {"head_dim": 24}),
    "qwen3 window in listed layers": (
        "qwen3",
        BASE
        | {"use_sliding_window": True, "sliding_window": 8}
        | {"layer_types": ["sliding_attention", "full_attention"] * 2},
    ),
    "qwen3_moe, one dense layer": (
        "qwen3_moe",
        BASE
        | SMALL_EXPERTS
        | {"num_experts_per_tok": 2, "norm_topk_prob": True, "mlp_only_layers": [1]},
    ),
    "qwen3_moe, raw weights, every second layer": (
        "qwen3_moe",
        BASE
        | SMALL_EXPERTS
        | {"num_experts_per_tok": 3, "norm_topk_prob": False, "decoder_sparse_step": 2},
    ),
    "smollm3": ("smollm3", BASE),
    "phi3 window": ("phi3", BASE | {"sliding_window": 9}),
    "phi4's rope": (
        "phi3",
        BASE
        | rope(**LONGROPE)
        | {"original_max_position_embeddings": 20, "tie_word_embeddings": True}
        | {"sliding_window": None},
    ),
    "olmo2": ("olmo2", BASE),
    "olmo3 window, yarn elsewhere": (
        "olmo3",
        BASE
        | {"sliding_window": 8}
        | rope(full_attention=YARN, sliding_attention=USUAL | {"rope_theta": 1e6}),
    ),
    "gemma2": ("gemma2", BASE | {"sliding_window": 8, "query_pre_attn_scalar": 20}),
    "gemma3_text": (
        "gemma3_text",
        BASE
        | {"sliding_window": 8, "num_hidden_layers": 7, "query_pre_attn_scalar": 20}
        | rope(
            full_attention={"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6},
            sliding_attention=USUAL,
        ),
    ),
    "gpt_neox": ("gpt_neox", PLAIN),
    "gpt_neox one after the other": (
        "gpt_neox",
        PLAIN | {"use_parallel_residual": False} | rope(**USUAL, partial_rotary_factor=1.0),
    ),
    "bert": ("bert", PLAIN),
    "roberta": ("roberta", PLAIN | {"type_vocab_size": 1, "pad_token_id": 1}),
    "distilbert": (
        "distilbert",
        {"vocab_size": V, "dim": D, "n_layers": LAYERS, "n_heads": HEADS, "hidden_dim": 96}
        | {"max_position_embeddings": LONG},
    ),
    "modernbert": (
        "modernbert",
        PLAIN | {"local_attention": 12, "cls_token_id": 1, "sep_token_id": 2},
    ),
    "t5": ("t5", T5 | {"feed_forward_proj": "relu"}),
    "t5 gated": ("t5", T5 | {"feed_forward_proj": "gated-gelu"}),
    "t5 gated, untied (flan)": ("t5", T5 | {"feed_forward_proj": "gated-gelu"}),
    "bart": ("bart", BART),
    "bart, scaled embeddings": ("bart", BART | {"scale_embedding": True, "encoder_layers": 2}),
}
"""What it is called → model_type and their config."""

SEQ2SEQ = ("t5", "bart")
MASKED = ("bert", "roberta", "distilbert", "modernbert")


def randomise(model: torch.nn.Module) -> torch.nn.Module:
    """Noise on every tensor: fresh norms and biases would hide a swapped pair."""
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for name, p in model.named_parameters():
            scale = 0.3 if p.ndim == 1 else 1.0 if "embed" in name else p.shape[-1] ** -0.5
            p.add_(torch.randn(p.shape, generator=generator) * min(scale, 0.3))
    return model


def batch(kind: str, length: int = 40) -> dict[str, torch.Tensor]:
    """Ids, which of them are text, what a target begins with, and kinds of token."""
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(4, V, (2, length), generator=generator)
    keep = torch.ones_like(ids)
    if kind in MASKED + SEQ2SEQ:
        keep[1, length - 7 :] = 0
        ids[1, length - 7 :] = {"roberta": 1, "modernbert": 3, "bart": 1}.get(kind, 0)
    return {
        "ids": ids,
        "keep": keep,
        "target": torch.randint(4, V, (2, 21), generator=generator),
        "types": torch.randint(0, 2, (2, length), generator=generator),
    }
