"""Hugging Face's config.json read and written by tables; what a table cannot say is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model_examples import GPT2, KINDS, SHAPE
from pydantic import ValidationError

from danlu import discover
from danlu.errors import ModelError, UnknownName
from danlu.models import family
from danlu.models.config import ModelConfig
from danlu.models.family import rows
from danlu.models.spelling import read_config, write_config

LLAMA = write_config(ModelConfig(**KINDS["rope, multi-query"]))
QWEN3 = write_config(ModelConfig(**SHAPE))
OPENAI = write_config(ModelConfig(**GPT2))


def without(config: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key not in keys}


# ---- there and back


@settings(max_examples=100)
@given(
    st.fixed_dictionaries(
        {
            "model_type": st.sampled_from(discover.names("danlu.models.families")),
            "d_model": st.sampled_from([16, 32, 24]),
            "n_heads": st.sampled_from([2, 4]),
            "n_kv_heads": st.sampled_from([1, 2, 4]),
            "head_dim": st.sampled_from([4, 8]),
            "d_ff": st.integers(1, 200),
            "vocab_size": st.integers(1, 10**6),
            "max_len": st.integers(1, 10**6),
            "position": st.sampled_from(["rope", "learned", "sinusoidal"]),
            "rope_theta": st.sampled_from([10_000.0, 5e5]),
            "norm": st.sampled_from(["rms", "layer"]),
            "norm_eps": st.sampled_from([1e-6, 1e-5, 1e-3]),
            "activation": st.sampled_from(["relu", "gelu", "gelu_tanh", "silu"]),
            "dropout": st.sampled_from([0.0, 0.1]),
            "qk_norm": st.sampled_from(["none", "head", "all"]),
            **dict.fromkeys(["qkv_bias", "out_bias", "gated", "mlp_bias", "tied"], st.booleans()),
        }
    )
)
def test_a_config_is_said_exactly_or_refused_by_name(knobs):
    try:
        config = ModelConfig(**knobs)
    except ValidationError:
        return
    try:
        written = write_config(config)
    except ModelError as error:
        assert "cannot say" in error.what and error.fix
        named = {word for word in error.what.replace(",", " ").split() if word in knobs}
        assert named, error.what
        return
    assert read_config(json.loads(json.dumps(written))) == config


@pytest.mark.parametrize(
    ("knobs", "named"),
    [
        (GPT2 | {"norm": "rms"}, ["norm = 'rms'"]),
        (GPT2 | {"n_kv_heads": 2}, ["n_kv_heads = 2"]),
        (GPT2 | {"position": "rope"}, ["position = 'rope'"]),
        (GPT2 | {"head_dim": 4, "gated": True}, ["head_dim = 4", "gated = True"]),
        (SHAPE | {"qk_norm": "none"}, ["qk_norm = 'none'"]),
        (SHAPE | {"mlp_bias": True}, ["mlp_bias = True"]),
        (SHAPE | {"qkv_bias": True}, ["out_bias = False"]),
        (SHAPE | {"position": "learned"}, ["position = 'learned'"]),
        (SHAPE | {"position": "sinusoidal"}, ["position = 'sinusoidal'"]),
        (SHAPE | {"model_type": "llama"}, ["qk_norm = 'head'"]),
        (
            SHAPE | {"model_type": "llama", "qk_norm": "none", "n_heads": 6, "head_dim": 4},
            ["d_model", "n_heads"],
        ),
    ],
)
def test_knobs_that_a_family_cannot_say_are_named(knobs, named):
    with pytest.raises(ModelError, match="cannot say") as caught:
        write_config(ModelConfig(**knobs))
    assert all(text in caught.value.what for text in named), caught.value.what
    assert "model_type" in caught.value.fix


# ---- what others write


def test_missing_keys_mean_what_they_mean_there():
    bare = without(LLAMA, "num_key_value_heads", "head_dim", "rope_parameters", "rope_theta")
    read = read_config(without(bare, "attention_bias", "mlp_bias", "tie_word_embeddings"))
    assert (read.n_kv_heads, read.head_dim, read.rope_theta) == (4, 8, 10_000)
    assert not read.tied and not read.qkv_bias and not read.mlp_bias
    bare = without(OPENAI, "n_inner", "activation_function", "layer_norm_epsilon")
    read = read_config(without(bare, "tie_word_embeddings"))
    assert (read.d_ff, read.activation, read.norm_eps, read.tied) == (128, "gelu_tanh", 1e-5, True)
    assert read_config(without(QWEN3, "head_dim")).head_dim == 128
    assert read_config(OPENAI | {"n_inner": None}).d_ff == 128


@pytest.mark.parametrize("config", [LLAMA, QWEN3, OPENAI])
def test_sizes_are_never_guessed(config):
    sizes = ("vocab_size", "d_model", "n_layers", "n_heads", "max_len")
    keys = family.find(config["model_type"]).keys
    for key, knob in keys.items():
        if knob in sizes:
            with pytest.raises(ModelError, match="lacks") as caught:
                read_config(without(config, key))
            assert key in str(caught.value)
    with pytest.raises(ModelError, match="lacks") as caught:
        read_config({"model_type": config["model_type"]})
    assert all(key in str(caught.value) for key, knob in keys.items() if knob in sizes)


@pytest.mark.parametrize(
    "change",
    [
        {"rope_scaling": {"type": "dynamic", "factor": 2.0}},
        {"rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low": 1}},
        {"rope_parameters": {"rope_type": "yarn", "rope_theta": 1e4, "mscale": 4.0}},
        {"rope_parameters": {"rope_theta": 1e4, "partial_rotary_factor": 0.5}},
        {"rope_parameters": {"full_attention": {"rope_type": "default", "rope_theta": 1e6}}},
        {"rope_parameters": {"rope_type": "default", "rope_theta": 1e6}},
        {"rope_parameters": "default"},
        {"rope_theta": "many"},
        {"hidden_act": "quick_gelu"},
        {"hidden_act": ["silu"]},
        {"hidden_size": -1},
        {"hidden_size": "wide"},
        {"num_attention_heads": 0},
        {"num_hidden_layers": 2.5},
        {"num_key_value_heads": 3},
        {"quantization_config": {"quant_method": "fp8"}},
        {"danlu": {"n_layers": 7}},
        {"danlu": {"position": "sinusoidal"}},
        {"danlu": 3},
        {"auto_map": {"AutoModel": "modeling.Mine"}},
    ],
)
def test_what_is_not_known_is_refused(change):
    with pytest.raises(ModelError) as caught:
        read_config(LLAMA | change)
    (key,) = change
    text = str(caught.value)
    knob = (family.find("llama").keys | {"rope_theta": "rope", "rope_parameters": "rot"}).get(key)
    assert key in text or str(knob) in text or "rotary" in text, text
    assert "pydantic" not in text and "input_value" not in text


@pytest.mark.parametrize(
    "change",
    [
        {"scale_attn_by_inverse_layer_idx": True},
        {"scale_attn_weights": False},
        {"reorder_and_upcast_attn": True},
        {"add_cross_attention": True},
    ],
)
def test_rare_settings_of_gpt2_are_refused(change):
    with pytest.raises(ModelError, match="is not supported") as caught:
        read_config(OPENAI | change)
    assert next(iter(change)) in str(caught.value)


def test_layers_are_listed_all_and_of_known_kinds():
    with pytest.raises(ModelError, match="not supported yet"):
        read_config(QWEN3 | {"layer_types": ["full_attention", "chunked_attention"]})
    with pytest.raises(ModelError, match="every layer"):
        read_config(QWEN3 | {"layer_types": ["full_attention"]})
    with pytest.raises(ModelError, match="no sliding_window"):
        read_config(QWEN3 | {"layer_types": ["full_attention", "sliding_attention"]})


def test_bases_that_agree_are_fine():
    nested = {"rope_parameters": {"rope_type": "default", "rope_theta": 10_000}}
    assert read_config(LLAMA | nested).rope_theta == 10_000
    assert read_config(LLAMA | {"rope_scaling": {"rope_type": "default"}}).rope_theta == 10_000


@pytest.mark.parametrize("config", [{}, {"model_type": None}, {"model_type": 5}])
def test_a_config_without_a_family(config):
    with pytest.raises(ModelError, match="no model_type"):
        read_config(config)


@pytest.mark.parametrize("config", [[], "text", None, 3])
def test_a_config_that_is_no_object(config):
    with pytest.raises(ModelError, match="not a JSON object"):
        read_config(config)


def test_an_unknown_family_is_answered_with_the_nearest():
    with pytest.raises(UnknownName) as caught:
        read_config({"model_type": "lama"})
    assert "'llama'" in caught.value.fix and "gemma3_text, gpt2, gpt_neox" in caught.value.expected


# ---- names


def test_rows_fill_wildcards_and_stack():
    mine = {
        f"blocks.{n}.attn.{x}.{leaf}" for n in (0, 1) for x in "qkv" for leaf in ("weight", "bias")
    }
    got = {row.theirs: row for row in rows(family.find("gpt2"), ModelConfig(**GPT2), mine)}
    assert sorted(got) == [
        f"transformer.h.{n}.attn.c_attn.{leaf}" for n in (0, 1) for leaf in ("bias", "weight")
    ]
    row = got["transformer.h.1.attn.c_attn.weight"]
    assert row.layout == "T" and row.ours == tuple(f"blocks.1.attn.{x}.weight" for x in "qkv")
    got = [row.theirs for row in rows(family.find("llama"), ModelConfig(**GPT2), mine)]
    assert "model.layers.1.self_attn.k_proj.bias" in got and len(got) == 12


def test_every_family_is_described():
    for name in discover.names("danlu.models.families"):
        assert discover.summary("danlu.models.families", name).endswith(".")
        assert family.find(name).architecture


# ---- our own


@pytest.mark.parametrize(
    ("knobs", "text"),
    [
        ({"n_heads": 4, "n_kv_heads": 3}, "not divisible"),
        ({"head_dim": 7}, "pairs"),
        ({"position": "sinusoidal", "d_model": 7}, "odd"),
        ({"d_model": 0}, "d_model"),
        ({"widht": 3}, "widht"),
    ],
)
def test_impossible_models(knobs, text):
    with pytest.raises(ValidationError, match=text):
        ModelConfig(**knobs)
