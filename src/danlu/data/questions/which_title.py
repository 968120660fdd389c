"""Find the title: a text, or how it begins → its title."""

from __future__ import annotations

import random
from collections.abc import Iterator

from danlu.data.questions._passages import opening, room
from danlu.data.questions._wording import ask
from danlu.data.questions.write_from_title import LONGEST_TITLE
from danlu.types import Document


def pairs(document: Document, rng: random.Random) -> Iterator[tuple[str, str]]:
    """One question where the text has a title that it does not contain already."""
    title = str(document.meta.get("title", "")).strip()
    text = opening(document.text)
    if title and text and title not in text and room(title) <= LONGEST_TITLE:
        yield ask("which_title", document.text, rng, text=text), title
