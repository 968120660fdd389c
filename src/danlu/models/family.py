"""What a family table says, and how names and config keys are translated by it.

A family is data: `names` maps our module to theirs, `keys` their config key to our knob. In names
`*` is a layer and `{a,b}` spells several rows in one; several of ours against one of theirs means
that theirs is ours stacked. A last word says how theirs lies in memory: `T`, transposed (GPT-2).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from danlu import discover
from danlu.errors import ModelError
from danlu.models.config import ModelConfig

Json = dict[str, Any]

SIZES = ("vocab_size", "d_model", "n_layers", "n_heads", "max_len")
"""Knobs that have no usual value: a config.json must give them."""

REFUSED = {
    "auto_map": "needs code from its own folder, which Danlu never runs",
    "quantization_config": "is quantised, which is not supported yet",
}
"""Keys of any family that change what the tensors mean, and what they say of the model."""


@dataclass(frozen=True)
class Family:
    """How Hugging Face spells one family."""

    architecture: str
    """The class that transformers builds."""

    names: Mapping[str, str]
    """Our module → theirs."""

    keys: Mapping[str, str]
    """Their config key → our knob, or several knobs separated by spaces."""

    fixed: Mapping[str, Any] = field(default_factory=dict)
    """Our knobs that every member shares."""

    defaults: Mapping[str, Any] = field(default_factory=dict)
    """Their keys, for configs that leave them out."""

    must: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    """Their keys that we know at some values only."""

    ignore: str = r"$^"
    """Expression for tensors that hold nothing learned."""

    prefix: str = ""
    """Missing in checkpoints of the bare stack."""

    values: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Their key → {their value: ours}, where the spellings differ."""

    more: Callable[[Json], Json] = lambda theirs: {}
    """Knobs that take a little arithmetic …"""

    back: Callable[[ModelConfig], Json] = lambda ours: {}
    """… and their way back."""


def find(model_type: str) -> Family:
    """The table of a family.

    Raises:
        UnknownName: there is none; the message lists those there are.
    """
    module = discover.find("danlu.models.families", model_type, "model family")
    family = module.FAMILY
    assert isinstance(family, Family)
    return family


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
            ours |= dict.fromkeys(knobs.split(), _translated(family, key, theirs[key]))
    ours |= family.more(theirs)
    ours.setdefault("n_kv_heads", ours["n_heads"])
    ours.setdefault("head_dim", ours["d_model"] // ours["n_heads"])
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
    theirs |= family.back(config)
    extra: Json = {"dropout": config.dropout} if config.dropout else {}
    if config.position == "sinusoidal" and family.fixed["position"] == "learned":
        extra["position"] = "sinusoidal"  # saved as a learned table that holds the sines
    if extra:
        theirs["danlu"] = extra
    again = read_config(theirs)
    if again != config:
        wrong = {k: v for k, v in config.model_dump().items() if getattr(again, k) != v}
        raise ModelError(
            f"a {config.model_type} checkpoint cannot say "
            + ", ".join(f"{k} = {v!r} (it means {getattr(again, k)!r})" for k, v in wrong.items()),
            fix=OTHER_FAMILY,
        )
    return theirs


OTHER_FAMILY = "set model.model_type to a family that can, or change these settings"


def _check(family: Family, theirs: Json) -> None:
    """Refuse a config that lacks a size, or has a setting that the table does not know."""
    sizes = {key: theirs.get(key) for key, knob in family.keys.items() if knob in SIZES}
    if wrong := [key for key, n in sizes.items() if type(n) is not int or n < 1]:
        raise ModelError(
            f"config.json lacks a usable {', '.join(wrong)}",
            got=", ".join(repr(sizes[key]) for key in wrong),
            expected="whole numbers of 1 or more",
        )
    for key, known in family.must.items():
        if theirs.get(key) not in known:
            raise _unsupported(theirs, key, known)


def _extra(family: Family, theirs: Json) -> Json:
    """Knobs that their config has no key for; `write_config` puts them under a key of ours."""
    extra = theirs.get("danlu") or {}
    known = {"dropout", "position"} if family.fixed["position"] == "learned" else {"dropout"}
    if not isinstance(extra, dict) or not extra.keys() <= known:
        raise ModelError(
            "config.json says something unknown under danlu",
            got=extra,
            expected=f"{' or '.join(sorted(known))} at most",
        )
    return extra


@dataclass(frozen=True)
class Row:
    """One tensor of theirs, and our parameters that it holds, stacked in this order."""

    theirs: str
    ours: tuple[str, ...]
    layout: str


def rows(family: Family, n_layers: int, mine: set[str]) -> Iterator[Row]:
    """The table with every wildcard filled in, for the parameters that the model has."""
    for ours, spelling in family.names.items():
        theirs, layout = (*spelling.split(), "")[:2]
        left, right = _expand(ours), _expand(theirs)
        groups = [[name] for name in left] if len(left) == len(right) else [left]
        for group, name in zip(groups, right, strict=True):
            for layer in range(n_layers if "*" in name else 1):
                for leaf in (".weight", ".bias"):
                    filled = [part.replace("*", str(layer)) + leaf for part in group]
                    if all(part in mine for part in filled):
                        yield Row(name.replace("*", str(layer)) + leaf, tuple(filled), layout)


def _expand(pattern: str) -> list[str]:
    """'a.{q,k}' → ['a.q', 'a.k']."""
    found = re.search(r"\{(.*?)\}", pattern)
    if not found:
        return [pattern]
    return [
        out for word in found[1].split(",") for out in _expand(pattern.replace(found[0], word, 1))
    ]


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
