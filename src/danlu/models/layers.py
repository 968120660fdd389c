"""What differs from layer to layer in Hugging Face's configs: windows and rotary positions.

Rotary settings come nested by kind of layer or flat (transformers 5), or spread over the config
(4). Both are written, because 4 silently takes its defaults where it finds only the new spelling.
"""

from __future__ import annotations

from typing import Any

from danlu.errors import ModelError
from danlu.models import plausible
from danlu.models.config import ModelConfig
from danlu.models.family import Family, Json

FULL, SLIDING = "full_attention", "sliding_attention"
BOTH_SIDES = "local_attention"
"""Key of a window that counts the tokens on both sides, half each (ModernBERT)."""

BASES = ("rope_theta", "global_rope_theta", "rotary_emb_base")
LOCAL_BASES = ("rope_local_base_freq", "local_rope_theta")
SHARES = ("partial_rotary_factor", "rotary_pct")

ROPE_KEYS = {
    "factor": "rope_factor",
    "original_max_position_embeddings": "rope_trained_len",
    "low_freq_factor": "rope_low_freq",
    "high_freq_factor": "rope_high_freq",
    "beta_fast": "rope_beta_fast",
    "beta_slow": "rope_beta_slow",
    "attention_factor": "rope_loudness",
    "short_factor": "rope_short",
    "long_factor": "rope_long",
}
"""Their rope parameters → our knobs."""

USES = {
    "none": (),
    "linear": ("factor",),
    "llama3": ("factor", "original_max_position_embeddings", "low_freq_factor", "high_freq_factor"),
    "yarn": (
        *("factor", "original_max_position_embeddings", "beta_fast", "beta_slow"),
        "attention_factor",
    ),
    "longrope": (
        *("factor", "original_max_position_embeddings", "attention_factor"),
        *("short_factor", "long_factor"),
    ),
}
"""The parameters of each way of scaling."""


def read(family: Family, theirs: Json, ours: Json) -> Json:
    """Our knobs for windows and rotary positions.

    Args:
        family: whose config it is.
        theirs: the config.
        ours: what is known so far: the number of layers, and the kind of position.

    Raises:
        ModelError: a layer or its positions are of a kind that is not known.
    """
    found = _windows(family, theirs, ours["n_layers"])
    if ours.get("position", "rope") == "rope":
        found |= _rope(family, theirs)
        if turns := theirs.get("no_rope_layers"):  # of 1 and 0, where 1 means that a layer turns
            found["no_rope_layers"] = tuple(n for n, turn in enumerate(turns) if not turn)
    return found


def _windows(family: Family, theirs: Json, n_layers: int) -> Json:
    """Which layers see a window only, and how wide it is."""
    width = theirs.get(family.window) or 0
    if family.window == BOTH_SIDES:
        width = width // 2 + 1
    kinds = theirs.get("layer_types") if family.lists_layers else None
    if not kinds:
        local = family.local if width else None
        kinds = [SLIDING if local and local(theirs, n) else FULL for n in range(n_layers)]
    if strange := sorted(set(kinds) - {FULL, SLIDING}):
        raise ModelError(
            "layer_types asks for attention that is not supported yet",
            got=strange,
            expected=f"{FULL} or {SLIDING}",
        )
    if len(kinds) != n_layers:
        raise ModelError(
            "layer_types does not list every layer", got=len(kinds), expected=str(n_layers)
        )
    if SLIDING not in kinds:
        return {}
    if not width:
        raise ModelError(f"layers with a window, but no {family.window}", got=theirs["layer_types"])
    return {"window": width, "global_layers": _at(kinds, FULL)}


def _at(kinds: list[str], kind: str) -> tuple[int, ...]:
    return tuple(n for n, own in enumerate(kinds) if own == kind)


def _rope(family: Family, theirs: Json) -> Json:
    """Base, share and scaling; and the base of the layers with a window."""
    given = [theirs[key] for key in ("rope_parameters", "rope_scaling") if theirs.get(key)]
    found: Json = {"rope_theta": family.base}
    kinds = set()
    for nested in reversed(given or [{}]):
        by_kind = family.two_bases and (FULL in nested or SLIDING in nested)
        own = (nested.get(FULL) or {}) if by_kind else nested
        found |= _parameters(own, theirs, BASES)
        kinds.add(found["rope_scaling"])
    if len(kinds) > 1:
        raise ModelError("rope_parameters and rope_scaling ask for different things", got=given)
    if found["rope_fraction"] != 1 and not family.partial:
        raise ModelError(
            "partial_rotary_factor is not a setting of this family",
            got=found["rope_fraction"],
            expected="1, or none",
        )
    return found | (_local_base(family, theirs, given) if family.two_bases else {})


def _local_base(family: Family, theirs: Json, given: list[Json]) -> Json:
    own = next((nested[SLIDING] or {} for nested in given if SLIDING in nested), {})
    near = _parameters(own, {}, LOCAL_BASES, theirs)
    if near["rope_scaling"] != "none":
        raise ModelError("scaled rotary positions in a window are not supported", got=given)
    base = near.get("rope_theta") or family.local_base
    if not base:  # OLMo 3: the same as everywhere, but unscaled
        full = next((dict(nested.get(FULL) or nested) for nested in given), {})
        base = full.get("rope_theta") or theirs.get("rope_theta") or family.base
    return {"rope_local_theta": base}


def _parameters(
    given: Json, theirs: Json, bases: tuple[str, ...], flat: Json | None = None
) -> Json:
    """One set of rope parameters in our knobs.

    Args:
        given: the nested ones.
        theirs: the config, for what may lie beside them.
        bases: keys of the config that may hold the base.
        flat: where these are looked for; the config by default.
    """
    plausible.check_rope(given)
    given, flat = dict(given), theirs if flat is None else flat
    all_bases = [given.pop("rope_theta", None), *(flat.get(key) for key in bases)]
    different = list(dict.fromkeys(base for base in all_bases if base is not None))
    if len(different) > 1:
        raise ModelError("config.json gives two rotary bases (rope_theta)", got=different)
    shares = [given.pop("partial_rotary_factor", None), *(theirs.get(key) for key in SHARES)]
    kinds = [given.pop(key, None) for key in ("rope_type", "type")]
    kind = next((k for k in kinds if k and k != "default"), "none")
    if kind not in USES or (strange := sorted(given.keys() - USES[kind])):
        raise ModelError(
            "config.json asks for rotary positions that are not supported yet",
            got=f"rope_type {kind}" if kind not in USES else f"{', '.join(strange)} with {kind}",
            expected=f"rope_type {', '.join(USES)}".replace("none", "default"),
        )
    return {
        **({"rope_theta": different[0]} if different else {}),
        "rope_fraction": next((share for share in shares if share), 1.0),
        "rope_scaling": kind,
        **(_scaling(kind, given, theirs) if kind != "none" else {}),
    }


def _scaling(kind: str, given: Json, theirs: Json) -> Json:
    """The numbers of one way of scaling; what they leave out is computed as transformers does."""
    given = {key: value for key, value in given.items() if value is not None}
    longest = theirs["max_position_embeddings"]
    if "original_max_position_embeddings" in USES[kind]:
        trained = theirs.get("original_max_position_embeddings")
        trained = trained or given.get("original_max_position_embeddings") or longest
        given |= {"original_max_position_embeddings": trained}
        given.setdefault("factor", longest / trained)
    found = {ROPE_KEYS[key]: value for key, value in given.items()}
    return {k: tuple(v) if isinstance(v, list) else v for k, v in found.items()}


def write(family: Family, c: ModelConfig) -> Json:
    """Their keys for windows and rotary positions, in both spellings."""
    kinds = [SLIDING if c.is_local(n) else FULL for n in range(c.n_layers)]
    out: Json = {"layer_types": kinds} if family.lists_layers else {}
    if c.window or family.local is not None:
        out[family.window] = c.window or None
        if family.window == BOTH_SIDES and c.window:
            out[family.window] = 2 * c.window - 2
    if c.position == "rope":
        out |= _written_rope(family, c)
    return out


def _written_rope(family: Family, c: ModelConfig) -> Json:
    used = {key: getattr(c, ROPE_KEYS[key]) for key in USES[c.rope_scaling]}
    scaled = {k: list(v) if isinstance(v, tuple) else v for k, v in used.items()}
    scaled = {k: v for k, v in scaled.items() if not (k == "attention_factor" and v == 0)}
    kind = "default" if c.rope_scaling == "none" else c.rope_scaling
    share: Json = {"partial_rotary_factor": c.rope_fraction} if c.rope_fraction != 1 else {}
    flat: Json = {"rope_type": kind, **scaled, "rope_theta": c.rope_theta, **share}
    near = c.rope_local_theta or c.rope_theta
    nested = {FULL: flat, SLIDING: {"rope_type": "default", "rope_theta": near}}
    out: Json = {
        "rope_parameters": nested if family.two_bases else flat,
        "rope_theta": c.rope_theta,
        "rope_scaling": _version_4(kind, scaled),
        **share,
    }
    if family.two_bases:
        out |= {"rope_local_base_freq": near, "local_rope_theta": near}
        out |= {"global_rope_theta": c.rope_theta}
    return out


def _version_4(kind: str, scaled: dict[str, Any]) -> Json | None:
    """`rope_scaling` as transformers 4 takes it: of longrope the factors and not a key more."""
    if kind == "default":
        return None
    if kind == "longrope":
        return {"type": kind, **{key: scaled[key] for key in ("short_factor", "long_factor")}}
    return {"rope_type": kind, **scaled}
