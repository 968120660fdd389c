"""Gemma 2: norms before and after, soft caps, every other layer local (Gemma Team 2024).

What attention scores are divided by is not in the file: llama.cpp knows that the 27B model has
another number by its 46 layers, and so does this.
"""

from __future__ import annotations

from danlu.models.gguf import rope
from danlu.models.gguf.architecture import Architecture, Json
from danlu.models.gguf.architectures.gemma import GELU, less_1
from danlu.models.gguf.architectures.llama import TENSORS, decoder
from danlu.models.gguf.settings import Settings, Sizes

POST_NORMS = {
    "blk.*.post_attention_norm.weight": "model.layers.*.post_attention_layernorm.weight D",
    "blk.*.ffn_norm.weight": "model.layers.*.pre_feedforward_layernorm.weight D",
    "blk.*.post_ffw_norm.weight": "model.layers.*.post_feedforward_layernorm.weight D",
}

LAYERS_OF_27B = 46


def attention_scalar(sizes: Sizes, layers_of_27b: int) -> int:
    """The number whose root divides the scores."""
    return sizes.D // sizes.heads if sizes.layers == layers_of_27b else sizes.H


def layer_types(layers: int, period: int) -> list[str]:
    """Local attention, but for every `period`-th layer.

    >>> layer_types(3, 2)
    ['sliding_attention', 'full_attention', 'sliding_attention']
    """
    kinds = ("sliding_attention", "full_attention")
    return [kinds[(layer + 1) % period == 0] for layer in range(layers)]


def _config(settings: Settings, sizes: Sizes) -> Json:
    settings.must("attention.sliding_window_pattern", [2], "Gemma 2 alternates")
    return {
        **decoder(settings, sizes),
        **GELU,
        "query_pre_attn_scalar": attention_scalar(sizes, LAYERS_OF_27B),
        "attn_logit_softcapping": settings.number("attn_logit_softcapping", 50.0),
        "final_logit_softcapping": settings.number("final_logit_softcapping", 30.0),
        "sliding_window": settings.integer("attention.sliding_window", 4096),
        "layer_types": layer_types(sizes.layers, 2),
        **rope.spellings(rope.parameters(settings, sizes.H)),
    }


ARCHITECTURE = Architecture(
    model_type="gemma2",
    hf_class="Gemma2ForCausalLM",
    tensors=less_1(TENSORS | POST_NORMS),
    config=_config,
)
