"""What the report's records are made of: a tolerant base, and the types of numbers and texts.

A run's files are written by many hands, and while it runs. So a number that JSON cannot say becomes
None, and a text comes out short and well-formed, before anything looks at it.
"""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict

MAX_TEXT = 4_000
"""Characters of one text (a sample, an excerpt, an answer) that a page carries."""


def _finite(value: Any) -> Any:
    """JSON has no NaN and no infinity: a browser would refuse the whole page."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _text(value: Any) -> Any:
    """Text of bearable length, without halves of surrogate pairs (which UTF-8 cannot say)."""
    if not isinstance(value, str):
        return value
    text = value.encode("utf-8", "replace").decode()
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"


def _flat(value: Any, prefix: str = "") -> Any:
    """Nested dicts as one, keys joined by dots, values that JSON can say.

    >>> _flat({"a": {"b": 1}, "c": [1, 2]})
    {'a.b': 1, 'c': '1, 2'}
    """
    if not isinstance(value, dict):
        return value
    flat: dict[str, Any] = {}
    for key, inner in value.items():
        if isinstance(inner, dict):
            flat.update(_flat(inner, f"{prefix}{key}."))
        elif isinstance(inner, list):
            flat[f"{prefix}{key}"] = _text(", ".join(map(str, inner)))
        else:
            flat[f"{prefix}{key}"] = _text(_finite(inner))
    return flat


Number = Annotated[int | float | None, BeforeValidator(_finite)]
Text = Annotated[str, BeforeValidator(_text)]
Facts = Annotated[dict[Text, Any], BeforeValidator(_flat)]


class Record(BaseModel):
    """Base of all records here: frozen, open to keys that it does not know."""

    model_config = ConfigDict(frozen=True, extra="ignore")
