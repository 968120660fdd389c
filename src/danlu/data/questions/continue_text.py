"""Continue a text: some lines or sentences → what follows; of a poem the first line → the rest."""

from __future__ import annotations

import random
from collections.abc import Iterator

from danlu.data.questions._passages import (
    fitting,
    is_documentation,
    is_poem,
    joined,
    passages,
)
from danlu.data.questions._wording import ask
from danlu.types import Document

SHOWN = 4
"""Pieces of running text that are shown."""


def pairs(document: Document, rng: random.Random) -> Iterator[tuple[str, str]]:
    """A question a passage, for all text but documentation."""
    if is_documentation(document):
        return
    for passage in passages(document, 2, rng):
        most = 1 if is_poem(document.text) else min(SHOWN, len(passage) // 2)
        shown = fitting(passage[:most])
        rest = passage[shown:]
        text, answer = joined(passage[:shown]), joined(rest[: fitting(rest)])
        if text and answer:
            yield ask("continue_text", document.text, rng, text=text), answer
