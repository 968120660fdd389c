"""Families that Danlu has no table of, tiny and with random weights in every tensor."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import torch
from family_examples import randomise
from model_examples import tokenizer

from danlu.models import hub
from danlu.models.foreign import Foreign

V, LONG = 304, 64
BASE: dict[str, Any] = {
    "vocab_size": V,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": LONG,
    "pad_token_id": 3,
    "bos_token_id": 0,
    "eos_token_id": 0,
}
GROUPED = BASE | {"num_key_value_heads": 2}
OLD: dict[str, Any] = {
    "vocab_size": V,
    "n_embd": 32,
    "n_layer": 2,
    "n_head": 4,
    "n_positions": LONG,
    "bos_token_id": 0,
    "eos_token_id": 0,
}

FAMILIES: dict[str, dict[str, Any]] = {
    "gpt_neo": {
        **BASE,
        **{"num_layers": 2, "num_heads": 4},
        **{"attention_types": [[["global", "local"], 1]], "window_size": 8},
    },
    "opt": BASE | {"ffn_dim": 48, "word_embed_proj_dim": 16, "do_layer_norm_before": True},
    "bloom": BASE | {"n_layer": 2, "n_head": 4},
    "falcon": BASE | {"alibi": False},
    "gptj": OLD | {"rotary_dim": 4},
    "cohere": GROUPED,
    "granite": GROUPED | {"logits_scaling": 4.0, "embedding_multiplier": 3.0},
    "stablelm": GROUPED,
    "starcoder2": GROUPED | {"sliding_window": 8, "use_sliding_window": True},
    "nanochat": GROUPED,
    "granitemoe": GROUPED | {"num_local_experts": 4, "num_experts_per_tok": 2},
    "mamba": {"state_size": 4, "num_hidden_layers": 2, "hidden_size": 32, "vocab_size": V},
    "openai-gpt": OLD,
}
"""Windows, a table of positions, ALiBi, rotary, a scaled and a bent head, experts, recurrence, and
a family without a cache."""

SLOW = ("mamba", "openai-gpt")
"""Families whose cache does not hold what it should: each token is computed from the whole text."""


def theirs(family: str, **changes: Any) -> Any:
    """A model as transformers builds it."""
    from transformers import AutoConfig, AutoModelForCausalLM

    made = AutoModelForCausalLM.from_config(
        AutoConfig.for_model(family, **FAMILIES.get(family, {}) | changes)
    )
    return randomise(made).eval()


def folder_of(model: Any, folder: Path) -> Path:
    """Saved by transformers, with a tokenizer beside it."""
    model.save_pretrained(folder)
    tokenizer().save(folder)
    return folder


@cache
def pair(family: str) -> tuple[Any, Foreign, Path]:
    """transformers' model, ours of its folder, and the folder, which stays until the end."""
    import tempfile

    model = theirs(family)
    folder = folder_of(model, Path(tempfile.mkdtemp()) / family)
    ours = hub.load(folder).model
    assert isinstance(ours, Foreign)
    return model, ours, folder


def some(rows: int = 2, length: int = 20, seed: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(4, V - 4, (rows, length), generator=generator)


@torch.no_grad()
def greedy(model: Any, prompt: list[int], n: int) -> list[int]:
    """Each token from the whole text again, by transformers alone."""
    ids = list(prompt)
    for _ in range(n):
        ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
    return ids[len(prompt) :]
