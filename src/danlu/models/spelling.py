"""Hugging Face's config.json as ours and back, by the tables of `danlu.models.families`.

What a table does not know is refused, never ignored: a model that is read otherwise than it was
meant gives answers, and worse ones. What is written is read again at once and must be equal.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from pydantic import ValidationError

from danlu.errors import ModelError
from danlu.models import layers, plausible
from danlu.models.config import ModelConfig
from danlu.models.family import Family, Json, find

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
    plausible.check_depth(theirs)
    if not isinstance(theirs, dict):
        raise ModelError("config.json is not a JSON object", got=theirs)
    _refuse_quantised(theirs.get("quantization_config"))
    model_type = theirs.get("model_type")
    if not isinstance(model_type, str):
        raise ModelError(
            "config.json has no model_type", got=model_type, expected="a family's name"
        )
    family = find(model_type)
    _refuse_code(theirs.get("auto_map"), family)
    theirs = {**family.defaults, **theirs}
    _check(family, theirs)
    ours = {"model_type": model_type, **family.fixed, **_knobs(family, theirs)}
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


def _refuse_quantised(settings: Any) -> None:
    if settings:
        method = settings.get("quant_method") if isinstance(settings, dict) else settings
        raise ModelError(
            "this model is quantised, which is not supported yet (quantization_config)",
            got=f"quantised by {method}",
            expected="weights in float32, bfloat16 or float16",
            fix="take the checkpoint that it was made from",
        )


def _refuse_code(auto_map: Any, family: Family) -> None:
    """Refuse a model whose classes are code in its folder.

    A class by the name of the family's own is that one: checkpoints older than the family in
    transformers still bring their copy of it (Phi 3), and nobody needs it.
    """
    classes = auto_map if isinstance(auto_map, dict) else {"": auto_map} if auto_map else {}
    for loader, name in classes.items():
        own = isinstance(name, str) and name.rsplit(".", 1)[-1] == family.architecture
        if loader not in ("AutoConfig", "AutoTokenizer") and not own:
            raise ModelError(
                "this model needs code from its own folder, which Danlu never runs (auto_map)",
                got=name,
                expected=f"a model of the class {family.architecture}",
                fix="if it is one, remove auto_map from config.json",
            )


def _knobs(family: Family, theirs: Json) -> Json:
    """The knobs that keys say; of several keys for one knob, all must say the same."""
    found: Json = {}
    said: dict[str, str] = {}
    for key, knobs in family.keys.items():
        if theirs.get(key) is None:
            continue
        value = _translated(family, key, theirs[key])
        value = tuple(value) if type(value) is list else value
        for knob in knobs.split():
            if found.setdefault(knob, value) != value:
                raise ModelError(
                    f"{said[knob]} and {key} differ, which is not supported",
                    got=f"{theirs[said[knob]]!r} and {theirs[key]!r}",
                )
            said.setdefault(knob, key)
    return found


def _check(family: Family, theirs: Json) -> None:
    """Refuse a config that lacks a size, or has a setting that the table does not know."""
    plausible.check_sizes(family, theirs)
    plausible.check(theirs, family.keys)
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
