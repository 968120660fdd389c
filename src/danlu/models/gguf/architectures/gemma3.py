"""Gemma 3, its text: Gemma 2 with normalised heads and five local layers to a global one (2025).

Local layers have their own rotary base, which files leave out: it is 10,000. Scaling of positions
is for the global ones.
"""

from __future__ import annotations

from danlu.models.gguf import rope
from danlu.models.gguf.architecture import Architecture, Json
from danlu.models.gguf.architectures.gemma import GELU, less_1
from danlu.models.gguf.architectures.gemma2 import POST_NORMS, attention_scalar, layer_types
from danlu.models.gguf.architectures.llama import HEAD, TENSORS, decoder
from danlu.models.gguf.architectures.qwen3 import QK_NORMS
from danlu.models.gguf.settings import Settings, Sizes

LAYERS_OF_27B = 62
PERIOD = 6
LOCAL_BASE = 10_000.0
GLOBAL_BASE = 1_000_000.0


def _config(settings: Settings, sizes: Sizes) -> Json:
    settings.must("attention.sliding_window_pattern", [PERIOD], "Gemma 3 has one layer in 6")
    everywhere = rope.parameters(settings, sizes.H)
    if not settings.has("rope.freq_base"):
        everywhere["rope_theta"] = GLOBAL_BASE
    local = settings.number("rope.freq_base_swa", LOCAL_BASE)
    capped = settings.has("final_logit_softcapping")
    return {
        **decoder(settings, sizes),
        **GELU,
        "query_pre_attn_scalar": attention_scalar(sizes, LAYERS_OF_27B),
        "attn_logit_softcapping": None,
        "final_logit_softcapping": settings.number("final_logit_softcapping") if capped else None,
        "sliding_window": settings.integer("attention.sliding_window"),
        "sliding_window_pattern": PERIOD,
        "layer_types": layer_types(sizes.layers, PERIOD),
        **rope.spellings(everywhere),
        "rope_local_base_freq": local,
        "rope_parameters": {
            "full_attention": everywhere,
            "sliding_attention": {"rope_type": "default", "rope_theta": local},
        },
    }


ARCHITECTURE = Architecture(
    model_type="gemma3_text",
    hf_class="Gemma3ForCausalLM",
    tensors=less_1(TENSORS | POST_NORMS | QK_NORMS),
    config=_config,
    groups={"head": HEAD},
)
