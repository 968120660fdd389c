"""Published shapes by name: their sizes, and what a setting beside the name does."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError

from danlu.config import parse_yaml
from danlu.errors import ConfigError
from danlu.models import count, spelling
from danlu.models.config import ModelConfig
from danlu.models.presets import SHAPES
from danlu.models.transformer import Transformer, parameters

RELEASED = {
    "gpt2": 124_439_808,
    "gpt2-medium": 354_823_168,
    "gpt2-large": 774_030_080,
    "gpt2-xl": 1_557_611_200,
}
"""Parameters of the checkpoints on the Hub, the tied head once."""

PUBLISHED = {
    "gpt3-125m": 125e6,
    "gpt3-350m": 350e6,
    "gpt3-760m": 760e6,
    "gpt3-1.3b": 1.3e9,
    "gpt3-2.7b": 2.7e9,
    "gpt3-6.7b": 6.7e9,
    "gpt3-13b": 13.0e9,
    "gpt3-175b": 175.0e9,
}
"""Brown 2020, Table 2.1; rounded there."""


def closed_form(c: ModelConfig) -> int:
    """12 L d² + 13 L d in the blocks, the tables, and the last norm."""
    d = c.d_model
    return c.n_layers * (12 * d * d + 13 * d) + (c.vocab_size + c.max_len) * d + 2 * d


@pytest.mark.parametrize("name", SHAPES)
def test_sizes(name):
    c = ModelConfig(preset=name)
    with torch.device("meta"):
        model = Transformer(c)
    built = sum(p.numel() for p in parameters(model).values())
    assert count.parameters(c) == built == closed_form(c)
    assert built == RELEASED.get(name, built)
    assert built == pytest.approx(PUBLISHED.get(name, built), rel=0.03)
    assert c.n_heads * c.head_dim == c.d_model and c.d_ff == 4 * c.d_model


def test_the_largest():
    assert count.parameters(ModelConfig(preset="gpt3-175b")) == 174_604_259_328
    assert set(RELEASED) | set(PUBLISHED) == set(SHAPES)


@pytest.mark.parametrize("name", [*RELEASED, "gpt3-125m", "gpt3-350m", "gpt3-1.3b"])
def test_transformers_makes_the_same_tensors_of_it(name):
    transformers = pytest.importorskip("transformers")
    c = ModelConfig(preset=name)
    written = spelling.write_config(c)
    written.pop("model_type")
    with torch.device("meta"):
        theirs = transformers.GPT2LMHeadModel(transformers.GPT2Config(**written))
    assert sum(p.numel() for p in theirs.parameters()) == count.parameters(c)


def test_gpt2_is_what_transformers_calls_gpt2():
    transformers = pytest.importorskip("transformers")
    theirs = transformers.GPT2Config().to_dict()
    read = spelling.read_config(theirs | {"architectures": ["GPT2LMHeadModel"]})
    named = ModelConfig(preset="gpt2")
    different = {k for k, v in read.model_dump().items() if v != getattr(named, k)}
    assert different <= {"dropout"}, "theirs drops 10 % in training"


def test_settings_beside_the_name_win():
    c = ModelConfig(preset="gpt2", n_layers=3, dropout=0.1, position="alibi")
    assert (c.n_layers, c.dropout, c.position) == (3, 0.1, "alibi")
    assert (c.d_model, c.n_heads, c.norm) == (768, 12, "layer")


def test_what_is_given_as_usual_counts_as_not_given():
    """A command line gives every setting: its defaults must not undo the preset."""
    usual = ModelConfig().model_dump()
    assert ModelConfig(**usual | {"preset": "gpt2-xl"}) == ModelConfig(preset="gpt2-xl")


def test_a_filled_config_names_no_preset_and_stays_what_it_is():
    c = ModelConfig(preset="gpt3-1.3b", max_len=512)
    assert c.preset == "" and ModelConfig(**c.model_dump()) == c
    assert ModelConfig.model_validate_json(c.model_dump_json()) == c


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(ValidationError, match=r"'gpt2-meduim'; did you mean .?gpt2-medium"):
        ModelConfig(preset="gpt2-meduim")
    with pytest.raises(ConfigError, match="gpt3-175b"):
        parse_yaml(ModelConfig, "preset: zzzzzz")


def test_what_does_not_fit_a_preset_is_refused_as_ever():
    with pytest.raises(ValidationError, match="n_kv_heads = 5"):
        ModelConfig(preset="gpt2", n_kv_heads=5)
