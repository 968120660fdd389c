"""Hypothesis strategies for models: every knob, small numbers."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

VOCAB, LONGEST = 13, 24

WORDS: dict[str, list[Any]] = {
    "qk_norm": ["none", "head", "all"],
    "norm": ["rms", "layer"],
    "norm_at": ["before", "after", "both", "sum"],
    "activation": ["relu", "relu2", "gelu", "gelu_tanh", "silu"],
    "position": ["none", "rope", "learned", "sinusoidal", "alibi", "relative"],
    "kind": ["decoder", "encoder", "encoder-decoder"],
}
FLAGS = (
    *("qkv_bias", "out_bias", "mlp_bias", "head_bias", "norm_bias", "embed_norm", "final_norm"),
    *("first_norm", "gated", "tied", "head_mlp", "norm_top_k", "parallel"),
)
NUMBERS: dict[str, list[Any]] = {
    "norm_eps": [1e-6, 1e-2],
    "norm_offset": [0, 1],
    "attn_scale": [0.0, 0.7],
    "attn_softcap": [0.0, 8.0],
    "embed_scale": [1.0, 3.0],
    "logit_scale": [1.0, 0.3],
    "logit_softcap": [0.0, 20.0],
    "d_ff": [8, 12],
}
SCALINGS = ("none", "linear", "llama3", "yarn", "longrope")


@st.composite
def sensible(draw: st.DrawFn, kind: str | None = None) -> dict[str, Any]:
    """Knobs that go together, of models with 1 to 3 layers and up to 6 heads."""
    choice = {**WORDS, **{name: [False, True] for name in FLAGS}, **NUMBERS}
    c: dict[str, Any] = {name: draw(st.sampled_from(options)) for name, options in choice.items()}
    c |= {"kind": kind or c["kind"], "vocab_size": VOCAB, "max_len": LONGEST}
    c["n_layers"] = draw(st.integers(1, 3))
    heads = draw(st.sampled_from([(1, 1), (2, 2), (2, 1), (3, 3), (4, 2), (4, 1), (6, 3)]))
    c |= {"n_heads": heads[0], "n_kv_heads": heads[1], "head_dim": draw(st.sampled_from([4, 8]))}
    odd = [] if c["position"] == "sinusoidal" else [9]
    c["d_model"] = draw(st.sampled_from([8, 16, *odd]))
    both = c["kind"] == "encoder-decoder"
    if both:
        c["n_encoder_layers"] = draw(st.integers(0, 3))
    else:
        c["n_token_types"] = draw(st.sampled_from([0, 0, 2]))
    if c["position"] in ("alibi", "relative"):
        c["attn_softcap"] = 0.0
    if both or c["norm_at"] != "before":
        c["parallel"] = False
    if c["norm_at"] != "before":
        c["first_norm"] = True
    layers = max(c["n_layers"], c.get("n_encoder_layers", 0))
    return c | draw(_order(c, layers)) | draw(_windows(layers)) | draw(_experts(layers))


def some_layers(layers: int) -> st.SearchStrategy[tuple[int, ...]]:
    return st.sets(st.integers(0, layers - 1)).map(lambda some: tuple(sorted(some)))


@st.composite
def _windows(draw: st.DrawFn, layers: int) -> dict[str, Any]:
    width = draw(st.sampled_from([0, 0, 1, 2, 3, 5, 30]))
    return {"window": width, "global_layers": draw(some_layers(layers)) if width else ()}


@st.composite
def _experts(draw: st.DrawFn, layers: int) -> dict[str, Any]:
    number = draw(st.sampled_from([0, 0, 1, 2, 4]))
    if not number:
        return {}
    top_k = draw(st.integers(1, number))
    return {
        "n_experts": number,
        "top_k": top_k,
        **({"norm_top_k": False} if top_k == 1 else {}),
        "d_expert": draw(st.sampled_from([0, 6])),
        "balance": draw(st.sampled_from([0.0, 0.01])),
        "dense_layers": draw(some_layers(layers)),
    }


@st.composite
def _order(draw: st.DrawFn, c: dict[str, Any], layers: int) -> dict[str, Any]:
    """What belongs to one way of telling positions."""
    if c["position"] == "learned":
        return {"first_position": draw(st.sampled_from([0, 2]))}
    if c["position"] != "rope":
        return {}
    share = draw(st.sampled_from([1.0, 0.5]))
    return {
        "rope_theta": draw(st.sampled_from([100.0, 10_000.0])),
        "rope_fraction": share,
        "rope_local_theta": draw(st.sampled_from([0.0, 50.0])),
        "no_rope_layers": draw(some_layers(layers)),
        **draw(_scaling(int(c["head_dim"] * share) // 2)),
    }


@st.composite
def _scaling(draw: st.DrawFn, waves: int) -> dict[str, Any]:
    """Of longrope the side within the old context: beyond it, all positions turn differently."""
    kind = draw(st.sampled_from(SCALINGS))
    found: dict[str, Any] = {"rope_scaling": kind}
    if kind != "none":
        found["rope_factor"] = draw(st.sampled_from([1.0, 4.0]))
    if kind in ("llama3", "yarn"):
        found["rope_trained_len"] = draw(st.sampled_from([8, 64]))
    if kind == "yarn":
        found |= {"rope_beta_fast": 8.0, "rope_loudness": draw(st.sampled_from([0.0, 1.2]))}
    if kind == "longrope":
        factors = st.lists(st.floats(1, 4), min_size=waves, max_size=waves).map(tuple)
        found |= {"rope_trained_len": LONGEST, "rope_short": draw(factors)}
        found["rope_long"] = draw(factors)
    return found


anything = st.fixed_dictionaries(
    {},
    optional={
        **{name: st.sampled_from(options) for name, options in WORDS.items()},
        **{name: st.booleans() for name in FLAGS},
        **{name: st.sampled_from(options) for name, options in NUMBERS.items()},
        "n_layers": st.integers(1, 3),
        "n_encoder_layers": st.integers(0, 3),
        "n_heads": st.integers(1, 6),
        "n_kv_heads": st.integers(1, 6),
        "head_dim": st.integers(1, 9),
        "d_model": st.integers(1, 9),
        "n_token_types": st.integers(0, 2),
        "first_position": st.integers(0, 3),
        "rope_theta": st.sampled_from([0.5, 1.0, 100.0]),
        "rope_fraction": st.sampled_from([0.1, 0.25, 0.3, 0.5, 1.0]),
        "rope_local_theta": st.sampled_from([0.0, 1.0, 50.0]),
        "rope_scaling": st.sampled_from(SCALINGS),
        "rope_factor": st.sampled_from([1.0, 4.0]),
        "rope_trained_len": st.integers(0, 8),
        "rope_low_freq": st.sampled_from([1.0, 8.0]),
        "rope_high_freq": st.sampled_from([1.0, 4.0]),
        "rope_beta_fast": st.sampled_from([0.5, 1.0, 32.0]),
        "rope_short": st.lists(st.sampled_from([0.0, 1.0, 2.0]), max_size=3).map(tuple),
        "rope_long": st.lists(st.sampled_from([1.0, 2.0]), max_size=3).map(tuple),
        "window": st.integers(0, 3),
        "n_experts": st.integers(0, 4),
        "top_k": st.integers(1, 4),
        **{name: some_layers(4) for name in ("global_layers", "no_rope_layers", "dense_layers")},
    },
)
"""Knobs that may or may not go together."""
