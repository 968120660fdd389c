"""Impossible combinations are refused with the reason."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from danlu.models.config import ModelConfig

ROPE: dict[str, Any] = {"rope_trained_len": 8, "rope_factor": 2.0}

IMPOSSIBLE: list[tuple[dict[str, Any], str]] = [
    ({"n_heads": 3, "n_kv_heads": 2}, "n_heads = 3 is not divisible by n_kv_heads = 2"),
    ({"head_dim": 7}, "turn pairs: 7 of head_dim = 7"),
    ({"head_dim": 8, "rope_fraction": 0.1}, "turn pairs: 0 of head_dim = 8"),
    ({"position": "sinusoidal", "d_model": 9}, "d_model = 9 is odd"),
    ({"position": "alibi", "rope_scaling": "linear"}, "position is alibi"),
    ({"rope_scaling": "yarn"}, "rope_scaling = yarn needs rope_trained_len"),
    ({"rope_scaling": "llama3", "rope_low_freq": 4.0} | ROPE, "rope_low_freq = 4.0 is not below"),
    ({"rope_scaling": "yarn", "rope_beta_fast": 1.0} | ROPE, "rope_beta_fast = 1.0 is not above"),
    ({"rope_scaling": "yarn", "rope_theta": 1.0} | ROPE, "rope_theta = 1.0"),
    ({"rope_scaling": "longrope"} | ROPE, "needs 32 factors .* got 0 and 0"),
    (
        {"rope_scaling": "longrope", "head_dim": 2, "rope_short": (0.0,), "rope_long": (1.0,)}
        | ROPE,
        "factors of longrope .* positive",
    ),
    ({"position": "alibi", "attn_softcap": 5.0}, "bend the bias of position = alibi"),
    ({"parallel": True, "norm_at": "both"}, "parallel sublayers need norm_at = before"),
    ({"parallel": True, "kind": "encoder-decoder"}, "no encoder-decoder"),
    ({"first_norm": False, "norm_at": "after"}, "first_norm = false"),
    ({"n_experts": 2, "top_k": 3}, "top_k = 3 of n_experts = 2"),
    ({"n_experts": 4, "top_k": 1}, "norm_top_k .* learns nothing"),
    ({"n_encoder_layers": 2}, "n_encoder_layers is for an encoder-decoder"),
    ({"kind": "encoder-decoder", "n_token_types": 2}, "no token types"),
    ({"global_layers": (4,), "window": 8}, r"global_layers = \(4,\) of 4 layers"),
    ({"no_rope_layers": (-1,)}, "no_rope_layers"),
    ({"dense_layers": (9,), "n_experts": 2}, "dense_layers"),
    ({"kind": "both"}, "decoder"),
    ({"qk_norm": "some"}, "'none', 'head' or 'all'"),
]


@pytest.mark.parametrize(("knobs", "why"), IMPOSSIBLE, ids=lambda value: str(value)[:40])
def test_refused(knobs, why):
    with pytest.raises(ValidationError, match=why):
        ModelConfig(**knobs)


def test_layers_of_the_longer_half_may_be_named():
    c = ModelConfig(kind="encoder-decoder", n_encoder_layers=6, window=8, global_layers=(5,))
    assert c.encoder_layers == 6 and not c.is_local(5) and c.is_local(4)


def test_what_earlier_versions_wrote():
    assert ModelConfig(qk_norm=True).qk_norm == "head"
    assert ModelConfig(qk_norm=False).qk_norm == "none"
