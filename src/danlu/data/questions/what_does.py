"""What a documented thing does: its name → the first sentence of its documentation."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

from danlu.data.questions._passages import ROOM, is_documentation
from danlu.data.questions._wording import ask
from danlu.types import Document

SHORTEST = 15


def pairs(document: Document, rng: random.Random) -> Iterator[tuple[str, str]]:
    """One question where a public name has a summary that says something."""
    name, summary = str(document.meta.get("name", "")), plain(str(document.meta.get("summary", "")))
    public = not any(part.startswith("_") for part in name.split("."))
    telling = SHORTEST <= len(summary) <= ROOM and " " in summary and summary[0].isalpha()
    if is_documentation(document) and public and telling:
        yield ask("what_does", summary, rng, name=name), summary


def plain(summary: str) -> str:
    """A sentence without the marks of reStructuredText.

    >>> plain("Like :func:`~torch.add`, but ``alpha`` is :attr:`beta`.")
    'Like `torch.add`, but `alpha` is `beta`.'
    """
    summary = re.sub(r":[a-z:]+:`~?([^`<]+?)(?:\s*<[^`]*>)?`", r"`\1`", summary)
    return summary.replace("``", "`")
