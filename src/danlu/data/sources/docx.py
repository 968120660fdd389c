"""Word documents (.docx): paragraphs, headings, lists and tables of the main text.

The format is ECMA-376 part 1 (Office Open XML), section 17 (WordprocessingML). The text is that of
a document whose changes are all accepted: tracked deletions are left out, insertions are kept. Page
headers, footers, footnotes, comments and field codes are other parts or elements and are left out.
Position in the file: `paragraph`, from 1, the first of each part.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from xml.etree import ElementTree as ET

from danlu.data.inputs import SourceFile
from danlu.data.sources import _parts, _xml
from danlu.data.sources._licence import spelled
from danlu.data.sources._zipped import Zipped
from danlu.types import Document

SUFFIXES = (".docx",)

KIND = "Word document (.docx)"
_DC = "{http://purl.org/dc/elements/1.1/}"
_RELATIONS = "{http://schemas.openxmlformats.org/package/2006/relationships}Relationship"


def read(file: SourceFile) -> Iterator[Document]:
    """One document, or several `name#0001` … where the text is long.

    Raises:
        DataError: as `raw.whole`, it is no Word document, damaged, protected by a password, or
            unpacks to too much.
    """
    zipped = Zipped(file, KIND)
    file.notes["encoding"] = "UTF-8"
    body = _Body()
    main = _main_part(zipped)
    body.parse(zipped.read(main), f"{file.name} ({main})")
    text, starts = _parts.joined(body.paragraphs, "\n")
    if not text.strip():
        _parts.left_out(file, "documents_without_text")
    meta = _core(zipped)
    yield from _parts.documents(
        ((part, {**meta, "paragraph": n}) for part, n in _parts.located(text, starts)), file
    )


def recognises(head: bytes, name: str) -> bool:
    """Whether a file is a ZIP archive that begins as Word's do."""
    return head.startswith(b"PK\x03\x04") and b"word/" in head


class _Body:
    """Collects the paragraphs of a document while expat goes over it."""

    SKIPPED = frozenset(("del", "moveFrom", "Fallback", "instrText", "delText", "pPrChange"))
    """Deleted text, and the second copy of a text box for old versions of Word."""

    def __init__(self) -> None:
        self.paragraphs: list[str] = []
        """Each with the blank line that follows it, if any."""
        self._runs: list[list[str]] = [[]]
        """Of the paragraphs that are open: one inside another is a text box."""
        self._cells: list[list[str]] = []
        self._rows: list[list[str]] = []
        self._skip = 0
        self._in_text = self._is_item = False

    def parse(self, data: bytes, name: str) -> None:
        """Read `word/document.xml`.

        Raises:
            DataError: it is not well-formed.
        """
        parser = _xml.parser(name, namespaces=True)
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._data
        _xml.feed(parser, data, name, last=True)

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        local = tag.rpartition("}")[2]
        if local in self.SKIPPED or self._skip:
            self._skip += 1
        elif local == "t":
            self._in_text = True
        elif local == "p":
            self._runs.append([])
            self._is_item = False
        elif local == "tab" and self._runs[-1]:  # not the definition of a tab stop
            self._runs[-1].append("\t")
        elif local in ("br", "cr"):
            self._runs[-1].append("\n")
        elif local == "noBreakHyphen":
            self._runs[-1].append("-")
        elif local == "numPr":
            self._is_item = True
        elif local == "tr":
            self._rows.append([])
        elif local == "tc":
            self._cells.append([])

    def _end(self, tag: str) -> None:
        local = tag.rpartition("}")[2]
        if self._skip:
            self._skip -= 1
        elif local == "t":
            self._in_text = False
        elif local == "p" and len(self._runs) > 1:
            self._end_paragraph("".join(self._runs.pop()).strip())
        elif local == "tc" and self._cells and self._rows:
            self._rows[-1].append(" ".join(filter(None, self._cells.pop())))
        elif local == "tr" and self._rows:
            self._end_row(" | ".join(filter(None, self._rows.pop())))

    def _data(self, text: str) -> None:
        if self._in_text and not self._skip:
            self._runs[-1].append(text)

    def _end_paragraph(self, text: str) -> None:
        if self._cells:
            self._cells[-1].append(text.replace("\n", " "))
        elif text:
            if not self._is_item and self.paragraphs and not self.paragraphs[-1].endswith("\n"):
                self.paragraphs[-1] += "\n"  # the end of a list or table
            self.paragraphs.append(text if self._is_item else f"{text}\n")
        self._is_item = False

    def _end_row(self, row: str) -> None:
        if self._cells:  # a table in a cell
            self._cells[-1].append(row)
        elif row:
            self.paragraphs.append(row)


def _main_part(zipped: Zipped) -> str:
    """The name of the part with the main text (ECMA-376 part 2, section 9.3)."""
    if "_rels/.rels" in zipped.names:
        root = _xml.tree(zipped.read("_rels/.rels"), f"{zipped.file.name} (_rels/.rels)")
        for relation in root.iter(_RELATIONS):
            if relation.get("Type", "").endswith("/officeDocument"):
                return posixpath.normpath(relation.get("Target", "").lstrip("/"))
    return "word/document.xml"


def _core(zipped: Zipped) -> dict[str, str]:
    """Title, author and licence, as far as the document states them."""
    if "docProps/core.xml" not in zipped.names:
        return {}
    root: ET.Element = _xml.tree(
        zipped.read("docProps/core.xml"), f"{zipped.file.name} (docProps/core.xml)"
    )
    return _parts.known(
        title=_parts.short(_xml.texts(root, [f"{_DC}title"])),
        author=_parts.short(_xml.texts(root, [f"{_DC}creator"])),
        licence=spelled(_xml.texts(root, [f"{_DC}rights"])),
    )
