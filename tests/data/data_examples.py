"""Texts and helpers that the tests of the data path share."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from danlu.data import inputs
from danlu.data.settings import PrepareSettings

FABLE = (
    "A fox saw ripe grapes on a high vine. She leapt for them again and again, and could not "
    "reach the lowest of them. In the end she walked away and said that they were sour."
)
APART = PrepareSettings(steps=("repair", "short", "quality", "exact"))
"""Without the steps for which fables that differ in a number are one text."""
POEM = "床前明月光，疑是地上霜。\n舉頭望明月，低頭思故鄉。"


def source(path: Path, **fields: Any) -> inputs.SourceFile:
    found = inputs.examine(path, path.name)
    assert isinstance(found, inputs.SourceFile), found
    return replace(found, **fields)
