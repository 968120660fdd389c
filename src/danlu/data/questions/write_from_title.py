"""Write from a title: the whole text if it is short, as a poem is, else how it begins."""

from __future__ import annotations

import random
from collections.abc import Iterator

from danlu.data.questions._passages import is_poem, opening, room
from danlu.data.questions._wording import ask
from danlu.types import Document

LONGEST_TITLE = 120


def pairs(document: Document, rng: random.Random) -> Iterator[tuple[str, str]]:
    """One question where the text has a title."""
    title = str(document.meta.get("title", "")).strip()
    answer = opening(document.text)
    if title and room(title) <= LONGEST_TITLE and answer:
        kind = "write_poem" if is_poem(document.text) else "write_text"
        yield ask(kind, document.text, rng, title=title), answer
