"""Small models with random weights in every tensor, and a tokenizer for their folders."""

from __future__ import annotations

from functools import cache
from pydoc_data.topics import topics
from typing import Any

import torch
from torch import nn

from danlu.models.config import ModelConfig
from danlu.models.transformer import Transformer
from danlu.tokenizer import Tokenizer, train

V, D, LAYERS, LEN = 304, 32, 2, 48

SHAPE: dict[str, Any] = {
    "vocab_size": V,
    "d_model": D,
    "n_layers": LAYERS,
    "n_heads": 4,
    "n_kv_heads": 2,
    "head_dim": 8,
    "d_ff": 48,
    "max_len": LEN,
}

GPT2: dict[str, Any] = SHAPE | {
    "model_type": "gpt2",
    "n_kv_heads": 4,
    "position": "learned",
    "norm": "layer",
    "qk_norm": "none",
    "gated": False,
    "qkv_bias": True,
    "out_bias": True,
    "mlp_bias": True,
    "activation": "gelu_tanh",
}

KINDS: dict[str, dict[str, Any]] = {
    "rope, grouped, qk norm": SHAPE,
    "rope, multi-head, biases": SHAPE
    | {"model_type": "llama", "n_kv_heads": 4, "qk_norm": "none"}
    | {"qkv_bias": True, "out_bias": True, "mlp_bias": True, "tied": False},
    "rope, multi-query": SHAPE | {"model_type": "llama", "n_kv_heads": 1, "qk_norm": "none"},
    "learned": GPT2,
    "sinusoidal": GPT2 | {"position": "sinusoidal", "activation": "relu", "tied": False},
}
"""One of each kind of position, attention, norm and MLP that all families have known for long."""

GEMMA: dict[str, Any] = {
    "norm_at": "both",
    "norm_offset": 1,
    "attn_softcap": 30.0,
    "logit_softcap": 20.0,
    "embed_scale": D**0.5,
    "activation": "gelu_tanh",
    "qk_norm": "none",
    "window": 5,
    "global_layers": (1,),
}
BERT: dict[str, Any] = {
    "kind": "encoder",
    "norm_at": "sum",
    "embed_norm": True,
    "final_norm": False,
    "head_mlp": True,
    "head_bias": True,
    "n_token_types": 2,
    "activation": "gelu",
}
DECODERS: dict[str, dict[str, Any]] = KINDS | {
    "alibi": GPT2 | {"position": "alibi"},
    "relative": SHAPE | {"position": "relative", "qk_norm": "none"},
    "window": SHAPE | {"window": 5, "global_layers": (1,)},
    "experts": SHAPE | {"n_experts": 4, "d_expert": 24, "dense_layers": (0,)},
    "soft caps, norms on both sides": SHAPE | GEMMA,
    "norm after, of all heads": SHAPE | {"norm_at": "after", "qk_norm": "all"},
    "parallel, part of a head turns": GPT2
    | {"position": "rope", "rope_fraction": 0.5, "parallel": True, "tied": False},
}
ALL_KINDS: dict[str, dict[str, Any]] = DECODERS | {
    "encoder": GPT2 | BERT,
    "encoder-decoder, sums": GPT2 | {"kind": "encoder-decoder", "norm_at": "sum"},
    "encoder-decoder, relative": DECODERS["relative"]
    | {"kind": "encoder-decoder", "n_encoder_layers": 3, "logit_scale": 0.5},
}
"""With what `kind` and the newer knobs add."""


def config(**knobs: Any) -> ModelConfig:
    return ModelConfig(**SHAPE | knobs)


def build(
    knobs: dict[str, Any] | None = None, *, dtype: torch.dtype = torch.float32
) -> Transformer:
    return randomise(Transformer(ModelConfig(**knobs or SHAPE)).to(dtype)).eval()


@torch.no_grad()
def randomise(model: nn.Module, seed: int = 2) -> Any:
    """Random numbers in *every* tensor: ones and zeros would hide a swapped pair."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        scale = 0.3 if parameter.ndim == 1 else min(2.0 * parameter.shape[-1] ** -0.5, 0.3)
        noise = torch.randn(parameter.shape, generator=generator) * scale
        parameter.copy_(noise + (1.0 if parameter.ndim == 1 else 0.0))
    return model


def some_tokens(rows: int = 2, length: int = 20, seed: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, V, (rows, length), generator=generator)


@cache
def tokenizer() -> Tokenizer:
    """300 tokens: four fewer than the models' embeddings have rows."""
    texts = [topics[name] for name in ("with", "yield", "assignment")]
    return train([*texts, "床前明月光，疑是地上霜。" * 5], vocab=300)


def difference(a: torch.Tensor, b: torch.Tensor) -> float:
    assert a.shape == b.shape
    return (a.double() - b.double()).abs().max().item() if a.numel() else 0.0
