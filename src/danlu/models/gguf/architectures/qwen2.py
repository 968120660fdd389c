"""Qwen 2 and 2.5: Llama with biases on queries, keys and values (Yang 2024)."""

from __future__ import annotations

from danlu.models.gguf import rope
from danlu.models.gguf.architecture import Architecture, Json
from danlu.models.gguf.architectures.llama import HEAD, QKV_BIASES, TENSORS, decoder
from danlu.models.gguf.settings import Settings, Sizes


def no_window(sizes: Sizes) -> Json:
    """Attention over the whole context in every layer; llama.cpp has no other for these."""
    return {
        "use_sliding_window": False,
        "sliding_window": None,
        "max_window_layers": sizes.layers,
        "layer_types": ["full_attention"] * sizes.layers,
    }


def _config(settings: Settings, sizes: Sizes) -> Json:
    config = decoder(settings, sizes) | no_window(sizes)
    del config["attention_bias"]  # the family always has them
    return config | rope.spellings(rope.parameters(settings, sizes.H))


ARCHITECTURE = Architecture(
    model_type="qwen2",
    hf_class="Qwen2ForCausalLM",
    tensors=TENSORS | QKV_BIASES,
    config=_config,
    groups={"head": HEAD},
)
