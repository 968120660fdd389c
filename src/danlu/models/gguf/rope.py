"""Rotary positions: from GGUF's settings to Hugging Face's `rope_parameters`.

llama.cpp keeps Llama 3's scaling as a tensor of one divisor a frequency, computed by its converter,
and forgets the four parameters. They are found again by computing that tensor for the usual ones
(Llama 3.1, "The Llama 3 Herd of Models", 2024, and Llama 3.2) and comparing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from danlu.errors import ModelError
from danlu.models.gguf.settings import Settings

Json = dict[str, Any]

FREQUENCIES = "rope_freqs.weight"
BASE = 10_000.0
"""What llama.cpp takes where a file says nothing."""

LOW, HIGH = 1.0, 4.0
CONTEXTS = (8192, 4096, 2048, 16_384, 32_768, 65_536, 131_072)
TOLERANCE = 1e-4


def parameters(settings: Settings, head_dim: int) -> Json:
    """`rope_parameters`, as transformers 5 spells them.

    Raises:
        ModelError: positions are scaled in a way that is not known.
    """
    base = settings.number("rope.freq_base", BASE)
    scaling = _scaling(settings)
    divisors: list[float] = []
    if FREQUENCIES in settings.header.tensors:
        divisors = settings.vector(FREQUENCIES, head_dim // 2)
    if any(abs(n - 1) > TOLERANCE for n in divisors):
        if scaling["rope_type"] != "default":
            raise ModelError(f"{settings.header.path} scales positions twice", got=scaling)
        scaling = llama3(divisors, base)
    return {**scaling, "rope_theta": base}


def spellings(nested: Json) -> Json:
    """The same in the keys of transformers 5 and of 4, which has the base beside the scaling."""
    flat = {key: value for key, value in nested.items() if key != "rope_theta"}
    return {
        "rope_parameters": nested,
        "rope_theta": nested["rope_theta"],
        "rope_scaling": None if flat["rope_type"] == "default" else flat,
    }


def llama3(divisors: Sequence[float], base: float) -> Json:
    """The parameters that give these divisors.

    Raises:
        ModelError: none of the usual ones do.

    >>> llama3(llama3_divisors(128, 500_000.0, 32.0, 8192), 500_000.0)["factor"]
    32.0
    """
    factor = float(f"{max(divisors):.6g}")  # the slowest frequency is divided by all of it
    for context in CONTEXTS:
        want = llama3_divisors(2 * len(divisors), base, factor, context)
        if all(abs(a / b - 1) < TOLERANCE for a, b in zip(divisors, want, strict=True)):
            return {
                "rope_type": "llama3",
                "factor": factor,
                "low_freq_factor": LOW,
                "high_freq_factor": HIGH,
                "original_max_position_embeddings": context,
            }
    raise ModelError(
        f"{FREQUENCIES} scales positions in an unknown way",
        got=f"divisors from {min(divisors):g} to {max(divisors):g}",
        expected=f"Llama 3's, for low and high factors {LOW:g} and {HIGH:g} "
        f"and a first context of {', '.join(map(str, CONTEXTS))}",
    )


def llama3_divisors(head_dim: int, base: float, factor: float, context: int) -> list[float]:
    """By what each frequency is divided: 1 for fast ones, `factor` for slow, smooth between.

    >>> [round(n, 2) for n in llama3_divisors(8, 500_000.0, 8.0, 8192)]
    [1.0, 1.0, 2.69, 8.0]
    """
    divisors = []
    for pair in range(0, head_dim, 2):
        turns = context / (2 * math.pi * base ** (pair / head_dim))
        share = min(max((turns - LOW) / (HIGH - LOW), 0.0), 1.0)
        divisors.append(1 / ((1 - share) / factor + share))
    return divisors


def _scaling(settings: Settings) -> Json:
    """What `rope.scaling.…` says."""
    kind = settings.text("rope.scaling.type", "none")
    original = {}
    if settings.has("rope.scaling.original_context_length"):
        first = settings.integer("rope.scaling.original_context_length")
        original = {"original_max_position_embeddings": first}
    settings.has("rope.scaling.finetuned")
    if kind == "none":
        settings.must("rope.scaling.factor", [1.0], "there is no rope.scaling.type")
        settings.must("rope.scale_linear", [1.0], "scaled positions need rope.scaling.type")
        return {"rope_type": "default"}
    if kind == "linear":
        return {"rope_type": "linear", "factor": settings.number("rope.scaling.factor")}
    if kind == "yarn" and original:
        settings.must("rope.scaling.attn_factor", [1.0], "YaRN with other temperatures")
        return {"rope_type": "yarn", "factor": settings.number("rope.scaling.factor"), **original}
    raise ModelError(
        f"{settings.header.path} scales positions in a way that is not supported",
        got=f"{settings.name}.rope.scaling.type = {kind!r}",
        expected="none, linear, or yarn with its original_context_length",
    )
