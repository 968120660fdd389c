"""What values of config.json can be at all: looked at before anything is computed from them.

A config is a stranger's file: any key may hold any JSON. Knobs that go straight into `ModelConfig`
are checked there; here is what the tables reckon with, in which a text, a zero or a number of
thousand digits would end in an error that says nothing, or in a loop without end.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from danlu.errors import ModelError
from danlu.models.config import ModelConfig
from danlu.models.family import Family, Json

SIZES = ("vocab_size", "d_model", "n_layers", "n_heads", "d_ff", "max_len")
"""Knobs that have no usual value: a config.json must give them."""

MAX_DEPTH = 50

Rule = tuple[str, Callable[[Any], bool]]


def _whole(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 31


def _number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < 1e300  # also false of NaN


def _all(value: Any, rule: Callable[[Any], bool]) -> bool:
    return isinstance(value, list) and len(value) <= 65_536 and all(rule(item) for item in value)


COUNT: Rule = ("a whole number, 0 or more", _whole)
STEP: Rule = ("a whole number, 1 or more", lambda value: _whole(value) and value > 0)
LAYERS: Rule = ("a whole number from 1 to 1000", lambda v: _whole(v) and 1 <= v <= 1_000)
POSITIVE: Rule = ("a number above 0", lambda value: _number(value) and value > 1e-300)
COUNTS: Rule = ("a list of whole numbers", lambda value: _all(value, _whole))
NUMBERS: Rule = ("a list of numbers", lambda value: _all(value, _number))
WORD: Rule = ("a word", lambda value: isinstance(value, str))
WORDS: Rule = ("a list of words", lambda value: _all(value, WORD[1]))
OBJECT: Rule = ("an object", lambda value: isinstance(value, dict))

RULES: dict[str, Rule] = {
    **dict.fromkeys(("sliding_window", "local_attention", "max_window_layers"), COUNT),
    **dict.fromkeys(("pad_token_id", "n_inner", "n_positions"), COUNT),
    **dict.fromkeys(("num_experts", "num_local_experts"), COUNT),
    **dict.fromkeys(("sliding_window_pattern", "global_attn_every_n_layers"), STEP),
    **dict.fromkeys(("no_rope_layer_interval", "decoder_sparse_step"), STEP),
    **dict.fromkeys(("num_decoder_layers", "encoder_layers"), LAYERS),
    **dict.fromkeys(("rope_theta", "global_rope_theta", "rotary_emb_base"), POSITIVE),
    **dict.fromkeys(("rope_local_base_freq", "local_rope_theta"), POSITIVE),
    **dict.fromkeys(("partial_rotary_factor", "rotary_pct"), POSITIVE),
    **dict.fromkeys(("query_pre_attn_scalar", "original_max_position_embeddings"), POSITIVE),
    **dict.fromkeys(("no_rope_layers", "mlp_only_layers"), COUNTS),
    **dict.fromkeys(("rope_parameters", "rope_scaling"), OBJECT),
    "layer_types": WORDS,
}
"""By their key, whatever the family; null is as if it were not there."""

ROPE_RULES: dict[str, Rule] = {
    **dict.fromkeys(("rope_type", "type"), WORD),
    **dict.fromkeys(("rope_theta", "factor", "partial_rotary_factor"), POSITIVE),
    "original_max_position_embeddings": STEP,
    **dict.fromkeys(("low_freq_factor", "high_freq_factor", "attention_factor"), POSITIVE),
    **dict.fromkeys(("beta_fast", "beta_slow"), POSITIVE),
    **dict.fromkeys(("short_factor", "long_factor"), NUMBERS),
}
"""The same within rotary parameters."""


def check_depth(theirs: Any) -> None:
    """Refuse lists and objects within each other beyond need: even to name them takes the stack.

    Raises:
        ModelError: they are.

    >>> check_depth([[[]]])
    """
    level = [theirs]
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for value in level
            if isinstance(value, (dict, list))
            for inner in (value.values() if isinstance(value, dict) else value)
        ]
        if not level:
            return
    raise ModelError("config.json is nested too deep", expected=f"{MAX_DEPTH} levels at most")


def check_sizes(family: Family, theirs: Json) -> None:
    """Refuse a config without one of the sizes that are never guessed, or with one beyond reason.

    Raises:
        ModelError: the keys are named.
    """
    most = {key: limit(knobs.split()[0]) for key, knobs in family.keys.items()}
    sizes = [key for key, knobs in family.keys.items() if knobs.split()[0] in SIZES]
    wrong = [k for k in sizes if type(theirs.get(k)) is not int or not 1 <= theirs[k] <= most[k]]
    if wrong:
        raise ModelError(
            f"config.json lacks a usable {', '.join(wrong)}",
            got=", ".join(repr(theirs.get(key)) for key in wrong),
            expected=", ".join(f"1 to {most[key]:,.0f}" for key in wrong) + ", whole numbers",
        )


def limit(knob: str) -> float:
    """The largest value of one of our knobs; infinity if it has none.

    >>> limit("n_layers")
    1000
    """
    bounds = [getattr(rule, "le", None) for rule in ModelConfig.model_fields[knob].metadata]
    return next((bound for bound in bounds if bound is not None), math.inf)


def check(theirs: Json, keys: Mapping[str, str]) -> None:
    """Refuse values of a kind that their key cannot have.

    Args:
        theirs: the config.
        keys: those that become knobs, as in `Family.keys`; infinities and NaN are no value of any.

    Raises:
        ModelError: the first that is wrong.
    """
    _obey(theirs, {key: rule for key, rule in RULES.items() if keys.get(key) != key})
    for key in keys:
        value = theirs.get(key)
        if type(value) in (int, float) and not _number(value):
            raise ModelError(f"config.json's {key} is out of range", got=value)


def check_rope(parameters: Any) -> None:
    """The same for one set of rotary parameters.

    Raises:
        ModelError: the first that is wrong.
    """
    if not isinstance(parameters, dict):
        raise ModelError("config.json's rotary parameters are not an object", got=parameters)
    _obey(parameters, ROPE_RULES)


def _obey(values: Json, rules: dict[str, Rule]) -> None:
    for key, (expected, fits) in rules.items():
        if values.get(key) is not None and not fits(values[key]):
            raise ModelError(f"config.json's {key} is wrong", got=values[key], expected=expected)
