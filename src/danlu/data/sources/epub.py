"""Electronic books (.epub): the chapters in their reading order.

The format is EPUB 3.3 (https://www.w3.org/TR/epub-33/), which EPUB 2 books agree with here: section
4.2.6.3.1 says where the package file is, section 5 what it holds. Chapters are read as web pages
are. Position in the file: `chapter`, from 1, its place in the reading order.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree as ET

from danlu.data.inputs import SourceFile
from danlu.data.sources import _page, _parts, _xml, html
from danlu.data.sources._licence import spelled
from danlu.data.sources._zipped import Zipped
from danlu.errors import DataError
from danlu.types import Document

SUFFIXES = (".epub",)

KIND = "electronic book (.epub)"
CONTAINER, ENCRYPTION = "META-INF/container.xml", "META-INF/encryption.xml"
PAGES = ("application/xhtml+xml", "text/html", "application/html+xml")
_OPF = "{http://www.idpf.org/2007/opf}"
_DC = "{http://purl.org/dc/elements/1.1/}"
_ENCRYPTED = "{http://www.w3.org/2001/04/xmlenc#}CipherReference"
_CONTAINED = "{urn:oasis:names:tc:opendocument:xmlns:container}rootfile"


def read(file: SourceFile) -> Iterator[Document]:
    """Each chapter as one document or several, `name#0001` ….

    Raises:
        DataError: as `raw.whole`, it is no book, damaged, encrypted, or unpacks to too much.
    """
    zipped = Zipped(file, KIND)
    file.notes["encoding"] = "UTF-8"
    opf = _package_name(zipped)
    package = _xml.tree(zipped.read(opf), f"{file.name} ({opf})")
    chapters = _chapters(package, posixpath.dirname(opf), file)
    _check_open(zipped, chapters)
    yield from _parts.documents(_texts(zipped, chapters, _about(package)), file)


def recognises(head: bytes, name: str) -> bool:
    """Whether a file is a ZIP archive that begins as books must (EPUB 3.3, section 4.2.6.1)."""
    return head.startswith(b"PK\x03\x04") and b"application/epub+zip" in head[:100]


def _texts(
    zipped: Zipped, chapters: list[str], about: dict[str, Any]
) -> Iterator[tuple[str, dict[str, Any]]]:
    file = zipped.file
    for number, name in enumerate(chapters, 1):
        try:
            markup, _ = html.decode(zipped.read(name), name=f"{file.name} ({name})")
            page = _page.extract(markup, xml=True)
        except _page.TooComplex:
            _parts.left_out(file, "chapters_too_complex")
            continue
        if not page.text.strip():
            _parts.left_out(file, "chapters_without_text")
        licence = about.get("licence") or page.licence
        meta = {**about, **_parts.known(licence=licence), "chapter": number}
        for part, _ in _parts.located(page.text, [0]):
            yield part, meta


def _package_name(zipped: Zipped) -> str:
    root = _xml.tree(zipped.read(CONTAINER), f"{zipped.file.name} ({CONTAINER})")
    for element in root.iter(_CONTAINED):
        if path := element.get("full-path"):
            return posixpath.normpath(path)
    raise zipped.broken(f"{CONTAINER} names no package file")


def _chapters(package: ET.Element, folder: str, file: SourceFile) -> list[str]:
    """Names of the chapters in reading order, without the table of contents."""
    items = {item.get("id", ""): item for item in package.iter(f"{_OPF}item")}
    chapters = []
    for reference in package.iter(f"{_OPF}itemref"):
        item = items.get(reference.get("idref", ""))
        if item is None or item.get("media-type") not in PAGES:
            _parts.left_out(file, "chapters_that_are_no_pages")
        elif "nav" in item.get("properties", "").split():
            _parts.left_out(file, "tables_of_contents")
        else:
            chapters.append(
                posixpath.normpath(posixpath.join(folder, unquote(item.get("href", ""))))
            )
    if not chapters:
        raise DataError(
            f"{file.name} has no chapters",
            got="a reading order without pages",
            expected="a book with text",
            fix="leave it out",
        )
    return chapters


def _check_open(zipped: Zipped, chapters: list[str]) -> None:
    """Refuse a book whose chapters are encrypted; that of fonts alone is usual and harmless.

    Raises:
        DataError: it is.
    """
    if ENCRYPTION not in zipped.names:
        return
    root = _xml.tree(zipped.read(ENCRYPTION), f"{zipped.file.name} ({ENCRYPTION})")
    locked = {posixpath.normpath(unquote(e.get("URI", ""))) for e in root.iter(_ENCRYPTED)}
    if both := locked & set(chapters):
        raise DataError(
            f"{zipped.file.name} is protected by digital rights management",
            got=f"{len(both):,} of {len(chapters):,} chapters are encrypted",
            expected="a book that every reader opens",
            fix="get a copy without protection, or leave it out",
        )


def _about(package: ET.Element) -> dict[str, Any]:
    """Title, author, language and licence, as far as the book states them."""
    return _parts.known(
        title=_parts.short(_xml.texts(package, [f"{_DC}title"])),
        author=_parts.short(_xml.texts(package, [f"{_DC}creator"])),
        language=_parts.short(_xml.texts(package, [f"{_DC}language"])),
        licence=spelled(_xml.texts(package, [f"{_DC}rights"])),
    )
