"""The parts of a tokenizer as JSON: what its normalizer, pre-tokenizer and decoder do, in order.

The library shows little of them in Python; their JSON says all.
"""

from __future__ import annotations

import json
from typing import Any

Json = dict[str, Any]

INNER = ("normalizers", "pretokenizers", "decoders", "processors")
"""Keys under which a sequence has its steps."""


def steps(component: Any) -> list[Json]:
    """The steps of a part of a tokenizer, one after the other.

    >>> from tokenizers import normalizers
    >>> [step["type"] for step in steps(normalizers.Sequence([normalizers.NFC()]))]
    ['NFC']
    """
    return [] if component is None else flat(json.loads(component.__getstate__()))


def flat(component: Json | None) -> list[Json]:
    """The steps of a part that is JSON already; they may be changed in place."""
    if component is None:
        return []
    inner = next((component[key] for key in INNER if key in component), None)
    return [component] if inner is None else [step for part in inner for step in flat(part)]
