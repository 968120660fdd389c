"""Fill in what is missing: a passage without one line or sentence → that one."""

from __future__ import annotations

import random
from collections.abc import Iterator

from danlu.data.questions._passages import fitting, is_documentation, joined, passages, room
from danlu.data.questions._wording import ask
from danlu.types import Document

SHOWN = 5
"""Pieces in a passage, the missing one included."""
LEAST = 3
SHORTEST = 12


def pairs(document: Document, rng: random.Random) -> Iterator[tuple[str, str]]:
    """A question a passage, for all text but documentation."""
    if is_documentation(document):
        return
    for passage in passages(document, LEAST, rng):
        shown = list(passage[: min(SHOWN, fitting(passage))])
        places = [n for n, piece in enumerate(shown) if n and _tells(piece)]
        if len(shown) < LEAST or not places:  # the first piece gives the others their sense
            continue
        place = rng.choice(places)
        answer = shown[place].strip()
        shown[place] = shown[place].replace(answer, "____")
        yield ask("fill_in", document.text, rng, text=joined(shown)), answer


def _tells(piece: str) -> bool:
    """Whether a piece is a sentence or verse, not a name, a number or a speaker."""
    return room(piece.strip()) >= SHORTEST and not piece.rstrip().endswith((":", "："))
