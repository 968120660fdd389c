"""Qwen 3: Llama with normalised queries and keys (Yang 2025)."""

from __future__ import annotations

from danlu.models.gguf import rope
from danlu.models.gguf.architecture import Architecture, Json
from danlu.models.gguf.architectures.llama import HEAD, OUT_BIAS, QKV_BIASES, TENSORS, decoder
from danlu.models.gguf.architectures.qwen2 import no_window
from danlu.models.gguf.settings import Settings, Sizes

QK_NORMS = {
    "blk.*.attn_q_norm.weight": "model.layers.*.self_attn.q_norm.weight H",
    "blk.*.attn_k_norm.weight": "model.layers.*.self_attn.k_norm.weight H",
}


def _config(settings: Settings, sizes: Sizes) -> Json:
    config = decoder(settings, sizes) | no_window(sizes)
    return config | rope.spellings(rope.parameters(settings, sizes.H))


ARCHITECTURE = Architecture(
    model_type="qwen3",
    hf_class="Qwen3ForCausalLM",
    tensors=TENSORS | QK_NORMS,
    config=_config,
    groups={"head": HEAD, "attention_bias": QKV_BIASES | OUT_BIAS},
)
