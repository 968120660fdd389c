"""GPT-2: LayerNorm, learned positions, one matrix for queries, keys and values (Radford 2019).

Hugging Face keeps its matrices as inputs × outputs, llama.cpp as outputs × inputs. Its converter
used to write the embedding a second time as the head, quantised in another way: such a file
becomes a model whose head is not tied, as llama.cpp runs it.
"""

from __future__ import annotations

from danlu.errors import ModelError
from danlu.models.gguf.architecture import Architecture, Json
from danlu.models.gguf.settings import Settings, Sizes


def _config(settings: Settings, sizes: Sizes) -> Json:
    if sizes.kv_heads != sizes.heads or sizes.heads * sizes.H != sizes.D:
        raise ModelError(
            f"{settings.header.path} has heads that GPT-2 does not have",
            got=f"{sizes.heads} of {sizes.H} on {sizes.kv_heads} in a width of {sizes.D}",
            expected="heads that share the width, each with its own keys",
        )
    return {
        "vocab_size": sizes.V,
        "n_embd": sizes.D,
        "n_layer": sizes.layers,
        "n_head": sizes.heads,
        "n_inner": sizes.F,
        "n_positions": sizes.L,
        "n_ctx": sizes.L,
        "activation_function": "gelu_new",
        "layer_norm_epsilon": settings.number("attention.layer_norm_epsilon"),
        "resid_pdrop": 0.0,
        "embd_pdrop": 0.0,
        "attn_pdrop": 0.0,
        "initializer_range": 0.02,
        "scale_attn_weights": True,
        "tie_word_embeddings": "head" not in settings.groups,
        "use_cache": True,
    }


ARCHITECTURE = Architecture(
    model_type="gpt2",
    hf_class="GPT2LMHeadModel",
    tensors={
        "token_embd.weight": "transformer.wte.weight V,D",
        "position_embd.weight": "transformer.wpe.weight L,D",
        "blk.*.attn_norm.weight": "transformer.h.*.ln_1.weight D",
        "blk.*.attn_norm.bias": "transformer.h.*.ln_1.bias D",
        "blk.*.attn_qkv.weight": "transformer.h.*.attn.c_attn.weight D,S T",
        "blk.*.attn_qkv.bias": "transformer.h.*.attn.c_attn.bias S",
        "blk.*.attn_output.weight": "transformer.h.*.attn.c_proj.weight Q,D T",
        "blk.*.attn_output.bias": "transformer.h.*.attn.c_proj.bias D",
        "blk.*.ffn_norm.weight": "transformer.h.*.ln_2.weight D",
        "blk.*.ffn_norm.bias": "transformer.h.*.ln_2.bias D",
        "blk.*.ffn_up.weight": "transformer.h.*.mlp.c_fc.weight D,F T",
        "blk.*.ffn_up.bias": "transformer.h.*.mlp.c_fc.bias F",
        "blk.*.ffn_down.weight": "transformer.h.*.mlp.c_proj.weight F,D T",
        "blk.*.ffn_down.bias": "transformer.h.*.mlp.c_proj.bias D",
        "output_norm.weight": "transformer.ln_f.weight D",
        "output_norm.bias": "transformer.ln_f.bias D",
    },
    config=_config,
    groups={"head": {"output.weight": "lm_head.weight V,D"}},
)
