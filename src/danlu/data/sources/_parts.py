"""A long text of one file as several documents, each with its place in the file; and what was left
out, counted by its reason.
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from danlu.data.inputs import SourceFile
from danlu.data.sources import text as plain_text
from danlu.types import Document

META_CHARS = 300
"""Longest title, author or licence that is kept."""


def documents(parts: Iterable[tuple[str, dict[str, Any]]], file: SourceFile) -> Iterator[Document]:
    """The parts as `name#0001`, `name#0002` …, or as `name` where there is only one."""
    parts = iter(parts)
    first = list(itertools.islice(parts, 2))
    if len(first) == 1:
        yield Document(first[0][0], file.name, {"file": file.name, **first[0][1]})
        return
    for number, (text, meta) in enumerate(itertools.chain(first, parts), 1):
        yield Document(text, f"{file.name}#{number:04}", {"file": file.name, **meta})


def located(
    text: str,
    starts: Sequence[int],
    shortest: int = plain_text.SHORTEST,
    longest: int = plain_text.LONGEST,
) -> Iterator[tuple[str, int]]:
    r"""The text cut by `text.cut`, each part with the number, from 1, of the place it begins in.

    >>> list(located("One two.\n\nThree four.\nFive six.", [0, 10, 22], 8, 14))
    [('One two.', 1), ('Three four.', 2), ('Five six.', 3)]
    """
    at = 0
    for part in plain_text.cut([text], shortest, longest):
        at = text.index(part, at)
        yield part, max(bisect.bisect_right(starts, at), 1)
        at += len(part)


def joined(pieces: Iterable[str], joint: str) -> tuple[str, list[int]]:
    """The pieces as one text, and where in it each of them starts.

    >>> joined(["ab", "", "c"], "--")
    ('ab----c', [0, 4, 6])
    """
    listed = list(pieces)
    starts = itertools.accumulate((len(piece) + len(joint) for piece in listed[:-1]), initial=0)
    return joint.join(listed), list(starts) if listed else []


def left_out(file: SourceFile, reason: str, number: int = 1) -> None:
    """Count something of the file that becomes no document, in `file.notes["left_out"]`."""
    counts = file.notes.setdefault("left_out", {})
    counts[reason] = counts.get(reason, 0) + number


def short(value: str | None) -> str:
    """A title or name on one line of at most META_CHARS characters."""
    return " ".join((value or "")[: 10 * META_CHARS].split())[:META_CHARS]


def known(**meta: str) -> dict[str, Any]:
    """The fields that have a value."""
    return {name: value for name, value in meta.items() if value}
