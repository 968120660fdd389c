"""Plain text and Markdown; a long text is cut where it pauses, so that it can be split.

Cut at the last blank line in reach, else at a line end, else after a sentence, else at a space.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from danlu.data import raw
from danlu.data.inputs import SourceFile
from danlu.types import Document

SUFFIXES = (".txt", ".md", ".markdown", ".rst", ".text")

SHORTEST, LONGEST = 2_000, 6_000
"""Characters in a part of a text that is longer than LONGEST."""

_PAUSES = (
    re.compile(r"\n[ \t\r]*(?=\n)"),
    re.compile(r"\n"),
    re.compile(r"[。！？…；]+[」』”’）]*|[.!?]+[\"'”’)\]]*(?=\s)"),
    re.compile(r"\s"),
)


def read(file: SourceFile) -> Iterator[Document]:
    """One document, or several `name#0001` … where the text is long.

    Raises:
        DataError: as `raw.text`, or a line is longer than `raw.MAX_LINE`.
    """
    parts = cut(_with_line_limit(file))
    first = next(parts, None)
    if first is None:
        return
    meta: dict[str, Any] = {"file": file.name}
    if file.name.lower().endswith((".md", ".markdown")) and (title := _title(first)):
        meta["title"] = title
    second = next(parts, None)
    if second is None:
        yield Document(first, file.name, meta)
        return
    yield Document(first, f"{file.name}#0001", meta)
    yield Document(second, f"{file.name}#0002", {"file": file.name})
    for number, part in enumerate(parts, 3):
        yield Document(part, f"{file.name}#{number:04}", {"file": file.name})


def cut(pieces: Iterable[str], shortest: int = SHORTEST, longest: int = LONGEST) -> Iterator[str]:
    r"""The text in parts of `shortest` to `longest` characters; shorter only if all of it is.

    Only blank lines at the ends of parts get lost.

    >>> list(cut(["One two.\n\nThree four.\n", "Five six.\n"], 8, 14))
    ['One two.', 'Three four.', 'Five six.']
    """
    rest = ""
    for piece in pieces:
        rest += piece
        at = 0
        while len(rest) - at > longest + shortest:
            end = _pause(rest, at + shortest, at + longest)
            yield from _trimmed(rest[at:end])
            at = end
        rest = rest[at:]
    if len(rest) > longest:  # two parts, neither shorter than `shortest`
        end = _pause(rest, shortest, len(rest) - shortest)
        yield from _trimmed(rest[:end])
        rest = rest[end:]
    yield from _trimmed(rest)


def _pause(text: str, start: int, end: int) -> int:
    """Where to cut between two places: after the last pause of the strongest kind there is."""
    for pattern in _PAUSES:
        places = [match.end() for match in pattern.finditer(text, start, end)]
        if places:
            return places[-1]
    return end


def _trimmed(part: str) -> Iterator[str]:
    """The part without blank lines before and after it, unless nothing is left."""
    part = re.sub(r"\A(?:[ \t\r]*\n)+", "", part).rstrip("\r\n")
    if part.strip():
        yield part


def _with_line_limit(file: SourceFile) -> Iterator[str]:
    """The text in pieces, as long as no line is enormous."""
    number, length = 1, 0
    for piece in raw.text(file):
        ends = piece.count("\n")
        first = piece.find("\n") if ends else len(piece)
        if length + first > raw.MAX_LINE:
            raise raw.long_line(file, number)
        number += ends
        length = len(piece) - piece.rfind("\n") - 1 if ends else length + len(piece)
        yield piece


def _title(text: str) -> str:
    """The heading that a Markdown text starts with, or nothing."""
    match = re.match(r"\s*#\s+(\S[^\n]{0,200}?)[\s#]*(?:\n|$)", text)
    return match[1] if match else ""
