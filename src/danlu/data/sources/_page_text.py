"""Running text with paragraphs, lines and table rows, put together element by element."""

from __future__ import annotations

import re


def names(listed: str) -> frozenset[str]:
    """The names in a text.

    >>> sorted(names("td th"))
    ['td', 'th']
    """
    return frozenset(listed.split())


PARAGRAPHS = names(
    "address article blockquote body center details dl fieldset figure figcaption footer h1 h2 h3 "
    "h4 h5 h6 header hgroup hr main nav ol p pre section table ul"
)
LINES = names("caption dd div dt legend li optgroup option summary")
LONG_CELL = 300
"""A row with a longer cell, or one of several paragraphs, is layout: its cells are paragraphs."""

_CJK = "[\u3000-\u9fff\uf900-\ufaff\uff00-\uffef]"
_SPACE = re.compile(r"[ \t\n\r\f]+")
_CJK_BREAK = re.compile(rf"(?<={_CJK})\s*\n\s*(?={_CJK})")
"""A line end in the source of Chinese or Japanese text, where no space belongs."""


class PageText:
    r"""Text in block elements; each is opened and closed, and has text in between.

    >>> text = PageText()
    >>> for event in ("<tr", "<td", "moon", ">td", "<td", "light ", ">td", ">tr"):
    ...     {"<": text.open, ">": text.close}.get(event[0], text.add)(event.lstrip("<>"))
    >>> text.joined()
    'moon | light'
    """

    def __init__(self) -> None:
        self._lines = _Lines()
        self._outer: list[_Lines] = []
        self._rows: list[list[str]] = []
        self._pre = 0

    def open(self, tag: str) -> None:
        """An element begins."""
        if tag in PARAGRAPHS:
            self._lines.end(2)
            self._pre += tag == "pre"
        elif tag in LINES:
            self._lines.end(1)
        elif tag == "tr":
            self._rows.append([])
        elif tag in ("td", "th"):
            self._outer.append(self._lines)
            self._lines = _Lines()

    def close(self, tag: str) -> None:
        """An element ends."""
        if tag in PARAGRAPHS:
            self._lines.end(2)
            self._pre -= tag == "pre"
        elif tag in LINES:
            self._lines.end(1)
        elif tag == "tr":
            self._end_row(self._rows.pop())
        elif tag in ("td", "th"):
            cell = self._lines.joined()
            self._lines = self._outer.pop()
            if cell and self._rows:
                self._rows[-1].append(cell)
            elif cell:  # a cell without a row, which only scripts can make
                self._lines.verbatim(cell)

    def add(self, text: str) -> None:
        """Text of an element."""
        if self._pre:
            self._lines.verbatim(text)
        else:
            self._lines.add(text)

    def line(self) -> None:
        """A line ends, as `<br>` says."""
        if self._pre:
            self._lines.verbatim("\n")
        else:
            self._lines.line()

    def joined(self) -> str:
        """All of the text."""
        return self._lines.joined()

    def _end_row(self, cells: list[str]) -> None:
        layout = any(len(cell) > LONG_CELL or "\n\n" in cell for cell in cells)
        if layout:
            for cell in cells:
                self._lines.end(2)
                self._lines.verbatim(cell)
        elif cells:
            self._lines.end(1)
            self._lines.verbatim(" | ".join(cell.replace("\n", " ") for cell in cells))
        self._lines.end(2 if layout else 1)


class _Lines:
    """Text that grows piece by piece, with at most one blank line in a row."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._ends = 0
        self._space = False

    def add(self, text: str) -> None:
        """Running text, in which white space is one space."""
        if "\n" in text and not text.isascii():
            text = _CJK_BREAK.sub("", text)
        text = _SPACE.sub(" ", text)
        if text.startswith(" "):
            self._space = True
            text = text[1:]
        if not text:
            return
        if self._space and self._parts and not self._ends:
            self._parts.append(" ")
        self._space = text.endswith(" ")
        self._append(text[:-1] if self._space else text)

    def verbatim(self, text: str) -> None:
        """Text as it stands."""
        self._space = False
        if text:
            self._append(text)

    def end(self, ends: int) -> None:
        """The line (1) or the paragraph (2) ends here."""
        self._ends = max(self._ends, ends)
        self._space = False

    def line(self) -> None:
        """Another line end; two of them are a blank line."""
        self._ends = min(self._ends + 1, 2)
        self._space = False

    def joined(self) -> str:
        """The text so far."""
        return "".join(self._parts)

    def _append(self, text: str) -> None:
        if self._ends and self._parts:
            self._parts.append("\n\n"[: self._ends])
        self._ends = 0
        self._parts.append(text)
