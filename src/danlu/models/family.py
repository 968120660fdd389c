"""What a family table says, and how names and config keys are translated by it.

A family is data: `names` maps our module to theirs, `keys` their config key to our knob. In names
`*` is a layer and `{a,b}` spells several rows in one; several of ours against one of theirs means
that theirs is ours stacked. A last word says how theirs lies in memory: `T`, transposed (GPT-2).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from danlu import discover
from danlu.errors import ModelError
from danlu.models.config import ModelConfig

Json = dict[str, Any]


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
    """Our knob → {their value: ours}, where the spellings differ."""

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


def read_config(theirs: Json) -> ModelConfig:
    """Hugging Face's config.json as ours.

    Raises:
        ModelError: it asks for something that this family's table does not know.
    """
    if "auto_map" in theirs:
        raise ModelError(
            "this model needs code from its own folder (auto_map), which Danlu never runs",
            got=theirs["auto_map"],
        )
    model_type = theirs.get("model_type")
    if not isinstance(model_type, str):
        raise ModelError(
            "config.json has no model_type", got=model_type, expected="a family's name"
        )
    family = find(model_type)
    theirs = {**family.defaults, **theirs}
    for key, known in family.must.items():
        if theirs.get(key) not in known:
            raise ModelError(
                f"{model_type} with {key} = {theirs.get(key)!r} is not supported",
                expected=" or ".join(map(repr, known)),
            )
    ours: Json = {"model_type": model_type, **family.fixed}
    for key, knobs in family.keys.items():
        if theirs.get(key) is not None:
            for knob in knobs.split():
                ours[knob] = _translated(family, knob, theirs[key], model_type)
    ours |= family.more(theirs)
    ours.setdefault("n_kv_heads", ours.get("n_heads"))
    if ours.get("n_heads"):
        ours.setdefault("head_dim", ours["d_model"] // ours["n_heads"])
    ours |= theirs.get("danlu") or {}  # what their config cannot say; see write_config
    try:
        return ModelConfig(**ours)
    except ValueError as error:
        raise ModelError(f"config.json of a {model_type} model is wrong: {error}") from None


def write_config(config: ModelConfig) -> Json:
    """Ours as Hugging Face's config.json, in the spellings of transformers 4 and 5.

    Raises:
        ModelError: the family cannot say all that this model is; the knobs are named.
    """
    family = find(config.model_type)
    theirs: Json = {"model_type": config.model_type, "architectures": [family.architecture]}
    for key, knobs in family.keys.items():
        knob = knobs.split()[0]
        theirs[key] = _spelled(family, knob, getattr(config, knob))
    theirs |= family.back(config)
    if extra := {k: getattr(config, k) for k in ("dropout",) if getattr(config, k)}:
        theirs["danlu"] = extra
    if config.position == "sinusoidal":  # saved as a learned table that holds the sines
        theirs["danlu"] = theirs.get("danlu", {}) | {"position": "sinusoidal"}
    again = read_config(theirs)
    if again != config:
        wrong = {k: v for k, v in config.model_dump().items() if getattr(again, k) != v}
        raise ModelError(
            f"a {config.model_type} checkpoint cannot say "
            + ", ".join(f"{k} = {v!r} (it means {getattr(again, k)!r})" for k, v in wrong.items()),
            fix="set model.model_type to a family that can, or change these settings",
        )
    return theirs


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


def _translated(family: Family, knob: str, value: Any, model_type: str) -> Any:
    table = family.values.get(knob)
    if table is None:
        return value
    if value not in table:
        raise ModelError(
            f"{model_type} with {knob} = {value!r} is not supported",
            expected=" or ".join(map(repr, table)),
        )
    return table[value]


def _spelled(family: Family, knob: str, value: Any) -> Any:
    table = family.values.get(knob, {})
    return next((theirs for theirs, ours in table.items() if ours == value), value)
