"""Hugging Face's config.json as ours and back, by the tables of `danlu.models.families`.

What a table does not know is refused, never ignored: a model that is read otherwise than it was
meant gives answers, and worse ones. What is written is read again at once and must be equal.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from pydantic import ValidationError

from danlu.errors import ModelError
from danlu.models import layers
from danlu.models.config import ModelConfig
from danlu.models.family import Family, Json, find

SIZES = ("vocab_size", "d_model", "n_layers", "n_heads", "max_len")
"""Knobs that have no usual value: a config.json must give them."""

REFUSED = {
    "auto_map": "needs code from its own folder, which Danlu never runs",
    "quantization_config": "is quantised, which is not supported yet",
}
"""Keys of any family that change what the tensors mean, and what they say of the model."""

OTHER_FAMILY = (
    "change these settings, or set model.model_type to a family that can say them; 'danlu' says "
    "everything, but only Danlu opens it"
)


def read_config(theirs: Any) -> ModelConfig:
    """Hugging Face's config.json as ours.

    Raises:
        ModelError: it lacks a size, or asks for something that this family's table does not know.
        UnknownName: there is no such family.
    """
    if not isinstance(theirs, dict):
        raise ModelError("config.json is not a JSON object", got=theirs)
    for key, why in REFUSED.items():
        if theirs.get(key):
            raise ModelError(f"this model {why} ({key})", got=theirs[key])
    model_type = theirs.get("model_type")
    if not isinstance(model_type, str):
        raise ModelError(
            "config.json has no model_type", got=model_type, expected="a family's name"
        )
    family = find(model_type)
    theirs = {**family.defaults, **theirs}
    _check(family, theirs)
    ours: Json = {"model_type": model_type, **family.fixed}
    for key, knobs in family.keys.items():
        if theirs.get(key) is not None:
            value = _translated(family, key, theirs[key])
            ours |= dict.fromkeys(knobs.split(), tuple(value) if type(value) is list else value)
    ours |= family.more(theirs)
    ours.setdefault("n_kv_heads", ours["n_heads"])
    ours.setdefault("head_dim", ours["d_model"] // ours["n_heads"])
    if "window" not in family.keys:
        ours |= layers.read(family, theirs, ours)
    try:
        return ModelConfig(**ours | _extra(family, theirs))
    except ValidationError as error:
        said = [(*e["loc"], e["msg"].removeprefix("Value error, ")) for e in error.errors()]
        wrong = "; ".join(": ".join(map(str, words)) for words in said)
        raise ModelError(f"config.json of a {model_type} model is wrong: {wrong}") from None


def write_config(config: ModelConfig) -> Json:
    """Ours as Hugging Face's config.json, in the spellings of transformers 4 and 5.

    Raises:
        ModelError: the family cannot say all that this model is; the knobs are named.
    """
    family = find(config.model_type)
    theirs: Json = {"model_type": config.model_type, "architectures": [family.architecture]}
    for key, knobs in family.keys.items():
        theirs[key] = _spelled(family, key, getattr(config, knobs.split()[0]))
    if "window" not in family.keys:
        theirs |= layers.write(family, config)
    theirs |= family.back(config)
    extra: Json = {"dropout": config.dropout} if config.dropout else {}
    if config.position == "sinusoidal" and _has_table(family):
        extra["position"] = "sinusoidal"  # saved as a learned table that holds the sines
    if extra and "dropout" not in family.keys:
        theirs["danlu"] = extra
    try:
        again = read_config(theirs)
    except ModelError as error:
        raise ModelError(
            f"a {config.model_type} checkpoint cannot say this model: {error.what}",
            got=error.got,
            fix=OTHER_FAMILY,
        ) from None
    if again != config:
        wrong = {k: v for k, v in config.model_dump().items() if getattr(again, k) != v}
        raise ModelError(
            f"a {config.model_type} checkpoint cannot say "
            + ", ".join(f"{k} = {v!r} (it means {getattr(again, k)!r})" for k, v in wrong.items()),
            fix=OTHER_FAMILY,
        )
    return theirs


def _check(family: Family, theirs: Json) -> None:
    """Refuse a config that lacks a size, or has a setting that the table does not know."""
    sizes = {key: theirs.get(key) for key, knob in family.keys.items() if knob.split()[0] in SIZES}
    if wrong := [key for key, n in sizes.items() if type(n) is not int or n < 1]:
        raise ModelError(
            f"config.json lacks a usable {', '.join(wrong)}",
            got=", ".join(repr(sizes[key]) for key in wrong),
            expected="whole numbers of 1 or more",
        )
    for key, known in family.must.items():
        if theirs.get(key) not in known:
            raise _unsupported(theirs, key, known)


def _has_table(family: Family) -> bool:
    return family.fixed.get("position") == "learned"


def _extra(family: Family, theirs: Json) -> Json:
    """Knobs that their config has no key for; `write_config` puts them under a key of ours."""
    extra = theirs.get("danlu") or {}
    known = {"dropout", "position"} if _has_table(family) else {"dropout"}
    if not isinstance(extra, dict) or not extra.keys() <= known:
        raise ModelError(
            "config.json says something unknown under danlu",
            got=extra,
            expected=f"{' or '.join(sorted(known))} at most",
        )
    return extra


def _translated(family: Family, key: str, value: Any) -> Any:
    """Their value of a key in our spelling."""
    table = family.values.get(key)
    if table is None:
        return value
    if value not in list(table):
        raise _unsupported({key: value}, key, list(table))
    return table[value]


def _spelled(family: Family, key: str, value: Any) -> Any:
    """The way back, by the first spelling if there are several."""
    table = family.values.get(key, {})
    return next((theirs for theirs, ours in table.items() if ours == value), value)


def _unsupported(theirs: Json, key: str, known: Collection[Any]) -> ModelError:
    return ModelError(
        f"a model with {key} = {theirs.get(key)!r} is not supported",
        expected=" or ".join(map(repr, known)),
    )
