"""What a model of another family is, as far as Danlu has to know: the rest stays theirs.

config.json is read here and handed to transformers as plain values: it never sees the folder, so no
key can make it fetch or run anything. Keys that would are refused or left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Literal

from danlu import config, discover, log
from danlu.errors import ModelError, UnknownName
from danlu.models.foreign import library

Json = dict[str, Any]

REFUSED = {
    "auto_map": "needs code from its own folder, which Danlu never runs",
    "quantization_config": "is quantised, which is not supported yet",
} | dict.fromkeys(
    ("fusion_config", "kernel_config", "distributed_config", "transformers_weights"),
    "changes how transformers computes it, which Danlu does not follow",
)
HOW = re.compile(r"_*((attn|experts)_implementation\w*|name_or_path|commit_hash)")
"""Keys about the machine that a model was last on, not about the model."""

FLOAT = "__float__"

LENGTHS = ("max_position_embeddings", "n_positions", "max_seq_len", "context_length", "seq_length")
"""Keys for the longest context; some families have none."""

EXPERTS = ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts")
"""Keys for the number of experts."""

USUAL_LENGTH = 2048
"""What is read at once where a family has no longest context: BLOOM's training."""

MAX_LAYERS, MAX_VOCABULARY = 1_000, 2**24
"""As in `models.config`."""


class ForeignConfig(config.Config):
    """A model that transformers computes."""

    model_type: str
    """Its family, by transformers' name."""

    vocab_size: int
    """Rows of the embedding."""

    max_len: int
    """Longest context, in tokens."""

    theirs: Json
    """config.json, without what `cleaned` leaves out."""

    kind: Literal["decoder"] = "decoder"

    n_experts: int = 0
    """MLPs of which each token chooses some; 0: one for all."""


def read_config(theirs: Json, unknown: UnknownName) -> ForeignConfig:
    """A config.json of a family that no table has.

    Args:
        theirs: the JSON object, with a `model_type`.
        unknown: what is raised when transformers does not know it either.

    Raises:
        MissingExtra: transformers is not installed.
        UnknownName: it does not know the family either.
        ModelError: the model is none that predicts the next token, or of an unknown kind.
    """
    model_type = str(theirs["model_type"])
    transformers = library.load(model_type)
    if model_type not in transformers.CONFIG_MAPPING:
        unknown.what += f", and transformers {transformers.__version__} has none"
        raise unknown
    theirs = cleaned(theirs)
    their_config, _ = built(theirs)
    vocab_size, layers = (_number(their_config, key) for key in ("vocab_size", "num_hidden_layers"))
    if not 0 < vocab_size <= MAX_VOCABULARY or not 0 < layers <= MAX_LAYERS:
        raise ModelError(
            "config.json lacks a usable size",
            got=f"vocab_size {vocab_size}, num_hidden_layers {layers}",
            expected=f"1 … {MAX_VOCABULARY:,} and 1 … {MAX_LAYERS:,}",
        )
    found = [n for n in (_number(their_config, key) for key in LENGTHS) if n > 0]
    if not found:
        log.say(f"{model_type} has no longest context: {USUAL_LENGTH:,} tokens are read at once")
    return ForeignConfig(
        model_type=model_type,
        vocab_size=vocab_size,
        max_len=(found or [USUAL_LENGTH])[0],
        theirs=theirs,
        n_experts=max(_number(their_config, key) for key in EXPERTS),
    )


def cleaned(theirs: Json) -> Json:
    """config.json without notes about the machine that it was written on.

    >>> cleaned({"model_type": "opt", "_name_or_path": "a/b", "attn_implementation": "x/y"})
    {'model_type': 'opt'}

    Raises:
        ModelError: a key changes what the model is, or whose code runs.
    """
    for key, value in _all_items(theirs):
        if value and key in REFUSED:
            raise ModelError(f"this model {REFUSED[key]} ({key})", got=value)
    return {key: _cleaned(value) for key, value in theirs.items() if not _is_note(key)}


def built(theirs: Json) -> tuple[Any, Any]:
    """The config and the model class that transformers has for it.

    Raises:
        ModelError: there is no such class that predicts the next token, or it dislikes the config.
    """
    model_type = theirs["model_type"]
    transformers = library.load(model_type)
    try:
        made = transformers.CONFIG_MAPPING[model_type].from_dict(_decoded(theirs))
    except (*library.FAILURES, _strict_error()) as error:
        why = " ".join(str(error).split())
        raise ModelError(f"config.json of a {model_type} model is wrong: {why}") from None
    _check_kind(made, model_type)
    return made, transformers.MODEL_FOR_CAUSAL_LM_MAPPING[type(made)]


def _check_kind(made: Any, model_type: str) -> None:
    """Refuse what does not predict the next token from those before it."""
    from transformers.models.auto import modeling_auto as names

    causal = names.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.get(model_type, "")
    masked = model_type in names.MODEL_FOR_MASKED_LM_MAPPING_NAMES
    text = names.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES
    speech = names.MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING_NAMES
    if getattr(made, "is_encoder_decoder", False) or model_type in {**text, **speech}:
        kind = "it writes a target from a source (an encoder-decoder)"
    elif masked and not (causal and getattr(made, "is_decoder", False)):
        kind = "its tokens see those behind them too (an encoder)"
    elif not causal:
        kind = "it is no language model"
    elif made.get_text_config() is not made or causal.endswith("ForConditionalGeneration"):
        kind = "it reads more than text, and its language model is a part of it"
    else:
        return
    known = [name for name in discover.names("danlu.models.families") if name != "danlu"]
    raise ModelError(
        f"a {model_type} model cannot be used yet: {kind}",
        expected="a family that predicts the next token from those before it, or one that Danlu "
        f"has a table of: {', '.join(known)}",
    )


def _strict_error() -> type[Exception]:
    """What its configs raise for a value of a wrong type."""
    from huggingface_hub import errors

    found: type[Exception] = errors.StrictDataclassError
    return found


def _number(made: Any, key: str) -> int:
    """A whole number of their config; 0 where there is none."""
    try:
        value = getattr(made, key, 0)
    except NotImplementedError:  # XLNet's length
        return 0
    return value if type(value) is int else 0


def _all_items(value: Any) -> Iterator[tuple[str, Any]]:
    """Keys and values at every depth."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key, inner
            yield from _all_items(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _all_items(inner)


def _cleaned(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _cleaned(inner) for key, inner in value.items() if not _is_note(key)}
    return [_cleaned(inner) for inner in value] if isinstance(value, list) else value


def _is_note(key: str) -> bool:
    return HOW.fullmatch(key) is not None


def _decoded(value: Any) -> Any:
    """With the numbers that JSON cannot say, which they write as {"__float__": "Infinity"}."""
    if isinstance(value, dict):
        if value.keys() == {FLOAT} and value[FLOAT] in ("Infinity", "-Infinity", "NaN"):
            return float(value[FLOAT])
        return {key: _decoded(inner) for key, inner in value.items()}
    return [_decoded(inner) for inner in value] if isinstance(value, list) else value
