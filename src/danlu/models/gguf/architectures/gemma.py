"""Gemma: Llama with norms around 1, GELU and scaled embeddings (Gemma Team 2024).

transformers multiplies by 1 + weight, llama.cpp by the weight, to which its converter added 1.
"""

from __future__ import annotations

from danlu.models.gguf import rope
from danlu.models.gguf.architecture import Architecture, Json
from danlu.models.gguf.architectures.llama import TENSORS, decoder
from danlu.models.gguf.settings import Settings, Sizes

GELU = {"hidden_act": "gelu_pytorch_tanh", "hidden_activation": "gelu_pytorch_tanh"}


def less_1(names: dict[str, str]) -> dict[str, str]:
    """A table whose norms have 1 too much."""
    return {
        theirs: f"{ours} less 1" if theirs.endswith("norm.weight") else ours
        for theirs, ours in names.items()
    }


def _config(settings: Settings, sizes: Sizes) -> Json:
    config = decoder(settings, sizes) | GELU
    return config | rope.spellings(rope.parameters(settings, sizes.H))


ARCHITECTURE = Architecture(
    model_type="gemma",
    hf_class="GemmaForCausalLM",
    tensors=less_1(TENSORS),
    config=_config,
)
