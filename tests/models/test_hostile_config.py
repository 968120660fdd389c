"""config.json is a stranger's file: whatever it holds, the answer is a model or one clear error."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model_examples import SHAPE, tokenizer
from published_configs import PUBLISHED

from danlu.errors import DanluError, ModelError, UnknownName
from danlu.models import hub, plausible, spelling, weights
from danlu.models.config import ModelConfig
from danlu.models.transformer import Transformer

CONFIGS = [config for config, _ in PUBLISHED.values()]
CONFIGS.append(spelling.write_config(ModelConfig(**SHAPE | {"model_type": "danlu"})))
KEYS = sorted(
    {*plausible.RULES, *(key for config in CONFIGS for key in config), "danlu"} - {"model_type"}
)
ROPE_KEYS = [*plausible.ROPE_RULES, "full_attention", "sliding_attention", "mscale"]

NUMBERS = st.one_of(
    st.integers(-3, 40),
    st.sampled_from([2**31, 2**63, 10**30, 10**400, -(10**400), 5e-324, 1e-320, 1e308]),
    st.floats(),
)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    NUMBERS,
    st.sampled_from(
        ["", "yarn", "longrope", "full_attention", "../x", "silu", "0", "\x00", "é" * 9]
    ),
)
ANY = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=5), st.dictionaries(st.sampled_from(ROPE_KEYS), inner, max_size=5)
    ),
    max_leaves=8,
)


def answer(config: Any) -> ModelConfig | None:
    """What is read; an error must be one of ours and fit on a screen."""
    try:
        read = spelling.read_config(config)
    except (ModelError, UnknownName) as error:
        assert error.what and len(str(error)) < 3_000
        return None
    assert isinstance(read, ModelConfig)
    assert all(value == value for value in read.model_dump().values()), "NaN"
    return read


@settings(max_examples=80)
@given(st.dictionaries(st.sampled_from(["model_type", *KEYS]), ANY, max_size=6) | ANY)
def test_any_json(config):
    answer(config)


@settings(max_examples=250)
@given(
    st.sampled_from(CONFIGS), st.dictionaries(st.sampled_from(KEYS), ANY, min_size=1, max_size=2)
)
def test_any_value_of_a_known_key(config, changes):
    answer(config | changes)


@settings(max_examples=120)
@given(
    st.sampled_from([config for config in CONFIGS if "rope_theta" in config]),
    st.sampled_from(["rope_parameters", "rope_scaling"]),
    st.dictionaries(st.sampled_from(ROPE_KEYS), ANY, max_size=4),
    st.sampled_from(["", "linear", "llama3", "yarn", "longrope", "default"]),
)
def test_any_rotary_parameters(config, key, parameters, kind):
    answer(config | {key: parameters | ({"rope_type": kind} if kind else {})})


@settings(max_examples=60)
@given(st.sampled_from(CONFIGS), st.data())
def test_any_key_may_be_missing(config, data):
    gone = data.draw(st.sets(st.sampled_from(sorted(config)), max_size=4))
    answer({key: value for key, value in config.items() if key not in gone})


def test_nested_too_deep():
    deep: Any = {}
    for _ in range(50_000):
        deep = [deep]
    for key in ("rope_scaling", "layer_types", "auto_map", "hidden_size", "model_type", "danlu"):
        config = CONFIGS[1] | {key: deep}
        with pytest.raises(ModelError):
            spelling.read_config(config)


@pytest.mark.parametrize(
    ("name", "changes", "says"),
    [
        ("Qwen/Qwen3-0.6B", {"layer_types": "full_attention"}, "layer_types"),
        ("Qwen/Qwen3-0.6B", {"layer_types": [0] * 28}, "layer_types"),
        ("Qwen/Qwen3-0.6B", {"num_hidden_layers": 10**12}, "num_hidden_layers"),
        ("Qwen/Qwen3-0.6B", {"num_hidden_layers": -1}, "num_hidden_layers"),
        ("Qwen/Qwen3-0.6B", {"rms_norm_eps": float("inf")}, "rms_norm_eps"),
        ("Qwen/Qwen3-0.6B", {"rope_theta": [1e6]}, "rope_theta"),
        ("Qwen/Qwen3-30B-A3B", {"decoder_sparse_step": 0}, "decoder_sparse_step"),
        ("Qwen/Qwen3-30B-A3B", {"mlp_only_layers": 3}, "mlp_only_layers"),
        ("meta-llama/Llama-3.2-1B", {"rope_scaling": [8]}, "rope_scaling"),
        ("meta-llama/Llama-3.2-1B", {"intermediate_size": None}, "intermediate_size"),
        ("google/gemma-2-2b", {"query_pre_attn_scalar": -256}, "query_pre_attn_scalar"),
        ("google/gemma-3-1b-it", {"sliding_window_pattern": 0}, "sliding_window_pattern"),
        ("mistralai/Mistral-7B-v0.1", {"sliding_window": "wide"}, "sliding_window"),
        ("microsoft/Phi-4-mini-instruct", {"original_max_position_embeddings": 0}, "original_max"),
        ("FacebookAI/roberta-base", {"pad_token_id": -1}, "pad_token_id"),
        ("facebook/bart-base", {"decoder_ffn_dim": 1024}, "decoder_ffn_dim differ"),
        ("facebook/bart-base", {"normalize_before": True}, "normalize_before"),
    ],
)
def test_the_message_names_the_key(name, changes, says):
    with pytest.raises(ModelError) as caught:
        spelling.read_config(PUBLISHED[name][0] | changes)
    assert says in str(caught.value)


@pytest.mark.parametrize("method", ["awq", "gptq", "bitsandbytes", "fp8", "mxfp4"])
def test_the_method_of_quantising_is_named(method):
    for settings_ in ({"quant_method": method, "bits": 4}, method):
        with pytest.raises(ModelError, match="is quantised") as caught:
            spelling.read_config(CONFIGS[1] | {"quantization_config": settings_})
        assert f"quantised by {method}" in str(caught.value) and caught.value.fix


def test_code_of_the_folder_is_refused_but_for_a_copy_of_the_family():
    phi = PUBLISHED["microsoft/Phi-4-mini-instruct"][0]
    assert spelling.read_config(phi).model_type == "phi3"
    for auto_map in (
        {"AutoModelForCausalLM": "modeling_phi3.Phi3BetterForCausalLM"},
        {"AutoModel": "modeling.Mine"},
        {"AutoModelForCausalLM": ["modeling_phi3.Phi3ForCausalLM"]},
        "modeling.Mine",
        ["modeling.Mine"],
    ):
        with pytest.raises(ModelError, match="needs code") as caught:
            spelling.read_config(phi | {"auto_map": auto_map})
        assert caught.value.fix


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("google-bert/bert-base-uncased", "cls.predictions.decoder.weight"),
        ("google-bert/bert-base-uncased", "cls.predictions.decoder.bias"),
        ("google-t5/t5-small", "encoder.embed_tokens.weight"),
        ("facebook/bart-base", "model.decoder.embed_tokens.weight"),
        ("facebook/bart-base", "final_logits_bias"),
        ("facebook/bart-base", "lm_head.weight"),
    ],
)
def test_copies_that_disagree(name, key, tmp_path):
    """A tensor that a checkpoint holds twice must be the same twice."""
    small = {"d_model": 32, "n_layers": 2, "n_heads": 2, "n_kv_heads": 2, "head_dim": 16}
    small |= {"d_ff": 48, "vocab_size": 304, "max_len": 32, "n_encoder_layers": 0}
    config = spelling.read_config(PUBLISHED[name][0])
    scale = {"logit_scale": 32**-0.5} if config.logit_scale != 1 else {}
    model = Transformer(ModelConfig(**config.model_dump() | small | scale))
    hub.save(tmp_path, model, tokenizer())
    path = tmp_path / weights.SINGLE
    with weights.Reader(path) as reader:
        named = {name: reader.tensor(name) for name in list(reader.keys())}
    ours = spelling.find(config.model_type).copies.get(key, "embed.weight")
    good = dict(model.named_parameters())[ours].detach().clone()
    good = good.new_zeros(1, 304) if key == "final_logits_bias" else good
    for change, fine in ((0.0, True), (0.01, False)):
        path.write_bytes(b"".join(weights.dump(named | {key: good + change})))
        if fine:
            hub.load_model(tmp_path)
        else:
            with pytest.raises(DanluError) as caught:
                hub.load_model(tmp_path)
            assert key in str(caught.value) and caught.value.fix


def test_huge_numbers_survive_json():
    text = json.dumps(CONFIGS[1]).replace("16,", "1" + "0" * 400 + ",", 1)
    assert answer(json.loads(text)) is None
