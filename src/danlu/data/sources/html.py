"""HTML pages: their text, without menus, scripts and forms; a long page is cut as text is.

Position in the file: `part`, from 1, where a page was cut. The encoding is looked for in the order:
a setting, a byte order mark, strict UTF-8, what the page declares, detection. UTF-8 comes before
the declaration since it is practically never right by accident and declarations often are wrong.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import Any

from danlu.data import encoding, stream
from danlu.data.inputs import SourceFile
from danlu.data.sources import _page, _parts
from danlu.errors import DataError
from danlu.types import Document

SUFFIXES = (".html", ".htm", ".xhtml")

MAX_PAGE = 32 << 20
"""Largest page, in bytes; a parsed one takes some ten times its size in memory."""

_DECLARED = re.compile(
    rb"<meta[^>]{0,300}?charset\s{0,9}=\s{0,9}[\"']?\s{0,9}([\w:.+-]{2,40})"
    rb"|\A\s{0,99}<\?xml[^>]{0,99}encoding\s{0,9}=\s{0,9}[\"']([\w:.+-]{2,40})",
    re.IGNORECASE,
)
_DECLARED_WITHIN = 4_096
_SUPERSETS = {
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "big5": "big5hkscs",
    "iso8859-1": "cp1252",
    "ascii": "cp1252",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "iso8859-9": "cp1254",
    "tis-620": "cp874",
}
"""What browsers read under a name (WHATWG Encoding Standard, section 4.2), by Python's names."""

_START = re.compile(
    rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--(?:(?!-->).)*-->\s*)*<(?:!doctype\s+html|html)\b",
    re.IGNORECASE | re.DOTALL,
)


def read(file: SourceFile) -> Iterator[Document]:
    """One document, or several `name#0001` … where the page is long.

    Raises:
        DataError: as `raw.pieces`, it is larger than MAX_PAGE, built to be slow, or of an unclear
            encoding.
    """
    data = stream.at_once(file, MAX_PAGE, "a page")
    if file.encoding == "auto":
        markup, name = decode(data, name=file.name)
    else:
        name = encoding.codec(file.encoding)
        markup = _strict(data, name, file.name)
    file.notes["encoding"] = encoding.NAMES.get(name, name)
    try:
        page = _page.extract(markup, xml=is_xhtml(markup))
    except _page.TooComplex:
        raise DataError(
            f"{file.name} is no page that a browser could show",
            got=f"more than {_page.MAX_DEPTH:,} elements inside each other, or attributes in one",
            expected="fewer, as in any page that is meant to be read",
            fix="leave it out",
        ) from None
    if not page.text.strip():
        _parts.left_out(file, "pages_without_text")
    meta = _parts.known(title=page.title, licence=page.licence)
    yield from _parts.documents(_cut(page.text, meta), file)


def recognises(head: bytes, name: str) -> bool:
    """Whether a file begins as a page does."""
    return bool(_START.match(head.removeprefix(codecs.BOM_UTF8)))


def is_xhtml(markup: str) -> bool:
    """Whether a page is written in XML's syntax."""
    head = markup[:2_000].lower()
    return head.lstrip("\ufeff \t\r\n").startswith("<?xml") or "//w3c//dtd xhtml" in head


def decode(data: bytes, *, name: str, declared: str = "") -> tuple[str, str]:
    """A page's text and Python's name of its encoding; `declared`: what its server said.

    >>> decode('<meta charset="gb2312">床前明月光'.encode("gbk"), name="a.html")[1]
    'gb18030'

    Raises:
        DataError: binary, damaged UTF-8, or an encoding that cannot be told for sure.
    """
    codec = _codec(declared) or _codec(_declared(data))
    if codec and b"\x00" not in data and not data.startswith(codecs.BOM_UTF8):
        seven_bits = codec.startswith(("iso2022", "hz"))
        for tried in (codec,) if seven_bits else ("utf-8", codec):
            try:
                return data.decode(tried), tried
            except UnicodeDecodeError:
                continue
    markup, codec = encoding.decode(data, name=name)
    if "\x00" in markup:
        raise encoding.binary(name, "a binary file (it has NUL characters)")
    return markup, codec


def _cut(text: str, meta: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    parts = [part for part, _ in _parts.located(text, [0])]
    for number, part in enumerate(parts, 1):
        yield part, {**meta, **({"part": number} if len(parts) > 1 else {})}


def _declared(data: bytes) -> str:
    match = _DECLARED.search(data[:_DECLARED_WITHIN])
    return (match[1] or match[2]).decode("ascii") if match else ""


def _codec(declared: str) -> str:
    """Python's name for an encoding that a page declares; empty if there is none of that name."""
    try:
        name = codecs.lookup(declared).name
        "".encode(name)  # not one of Python's codecs from bytes to bytes
    except (LookupError, ValueError):
        return ""
    return "" if name.startswith("utf") else _SUPERSETS.get(name, name)


def _strict(data: bytes, codec: str, name: str) -> str:
    try:
        return data.decode(codec)
    except UnicodeDecodeError as error:
        line = encoding.line_at(data, error.start, codec)
        raise encoding.broken(name, codec, error.start, line) from None
