"""Web archives (.warc, .warc.gz, .wet): one document a page; needs `danlu[warc]` (warcio).

The format is ISO 28500 (https://iipc.github.io/warc-specifications/). Read are responses with
status 200 that hold HTML or plain text, and records of type `conversion` with plain text, which is
what Common Crawl's WET files are made of; all others are counted by their reason.
Position in the file: `offset`, the byte at which the record begins, once unpacked.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from danlu.data import stream
from danlu.data.inputs import SourceFile
from danlu.data.sources import _page, _parts, html
from danlu.errors import DataError, missing_extra
from danlu.types import Document

SUFFIXES = (".warc", ".wet")

MAX_PAGE = 8 << 20
"""Largest page, in bytes, once unpacked; longer ones are counted."""
PAGES = ("text/html", "application/xhtml+xml")
ENCODINGS = ("", "identity", "gzip", "x-gzip", "deflate")
"""Compressions of a response that are undone; others need further packages and are counted."""


def read(file: SourceFile) -> Iterator[Document]:
    """One document a page.

    Raises:
        MissingExtra: warcio is not installed.
        DataError: as `raw.pieces`, or it is no web archive, or was cut.
    """
    for record, offset in _records(file):
        document = _document(record, offset, file)
        if missing := _missing(record):
            raise _broken(file, offset, f"the record lacks {missing:,} bytes")
        if document is not None:
            yield document


def recognises(head: bytes, name: str) -> bool:
    """Whether a file begins as web archives do."""
    return head.startswith(b"WARC/1.")


def _records(file: SourceFile) -> Iterator[tuple[Any, int]]:
    """All records, each with the byte it begins at."""
    try:
        from warcio.archiveiterator import ArchiveIterator
        from warcio.exceptions import ArchiveLoadFailed
        from warcio.statusandheaders import StatusAndHeadersParserException
    except ImportError:
        raise missing_extra("warcio", "warc", f"reading {file.name}") from None
    source = stream.Unpacked(file)
    records = ArchiveIterator(source)
    while True:
        try:
            record = next(records, None)
        except DataError:
            raise
        except (
            ArchiveLoadFailed, StatusAndHeadersParserException, EOFError, AttributeError, ValueError
        ) as error:  # fmt: skip
            # warcio meets a header that was cut with any of these.
            raise _broken(file, records.offset, str(error)) from None
        if record is None:
            break
        length = record.rec_headers.get_header("Content-Length") or "none"
        if not length.strip().isdecimal():
            raise _broken(file, records.offset, f"a record whose length is {length[:20]}")
        yield record, records.offset
    if records.offset != source.offset:  # warcio takes a header that was cut for the end
        raise _broken(file, records.offset, "a record that ends in its header")
    if records.err_count:
        _parts.left_out(file, "records_of_wrong_length", records.err_count)


def _document(record: Any, offset: int, file: SourceFile) -> Document | None:
    """The record as a document; None, counted, if it is none."""
    found = _text(record, file.name)
    if isinstance(found, str):
        if found:
            _parts.left_out(file, found)
        return None
    headers = record.rec_headers
    meta: dict[str, Any] = {"file": file.name, "offset": offset}
    meta |= _parts.known(
        url=(headers.get_header("WARC-Target-URI") or "")[:2_000],
        date=_parts.short(headers.get_header("WARC-Date")),
        title=found.title,
        licence=found.licence,
    )
    return Document(found.text, f"{file.name}#{offset}", meta)


def _text(record: Any, name: str) -> _page.Page | str:
    """What a record says, or why it is left out; nothing for records that are about others."""
    if record.rec_type not in ("response", "conversion"):
        return "" if record.rec_type == "warcinfo" else f"{record.rec_type or 'untyped'}_records"
    headers = record.http_headers if record.rec_type == "response" else record.rec_headers
    if headers is None:
        return "responses_that_are_not_http"
    if record.rec_type == "response" and headers.get_statuscode() != "200":
        return f"status_{headers.get_statuscode()[:3] or 'unknown'}"
    kind, _, rest = (headers.get_header("Content-Type") or "").lower().partition(";")
    kind = kind.strip()
    if kind not in PAGES and kind != "text/plain":
        return "other_types"
    if (headers.get_header("Content-Encoding") or "").strip().lower() not in ENCODINGS:
        return "compressed_otherwise"
    data = _payload(record)
    if len(data) > MAX_PAGE:
        return "pages_too_large"
    charset = rest.partition("charset=")[2].split(";")[0].strip(" \"'")
    return _read_page(data, kind, charset, name)


def _payload(record: Any) -> bytes:
    """The page's bytes, unpacked, at most one more than MAX_PAGE."""
    parts, size = [], 0
    source = record.content_stream()
    while size <= MAX_PAGE and (part := source.read(min(1 << 16, MAX_PAGE + 1 - size))):
        parts.append(part)
        size += len(part)
    return b"".join(parts)


def _missing(record: Any) -> int:
    """How many bytes the record should still have when its stream has ended."""
    source = record.raw_stream  # limited to the record's length, unless that is not stated
    while source.read(1 << 16):  # what follows the end of a chunked or packed page
        pass
    return source.limit if hasattr(source, "limit") else 0


def _read_page(data: bytes, kind: str, charset: str, name: str) -> _page.Page | str:
    try:
        text, _ = html.decode(data, name=name, declared=charset)
    except DataError:
        return "pages_of_unclear_encoding"
    try:
        page = (
            _page.extract(text, xml=html.is_xhtml(text))
            if kind in PAGES
            else _page.Page(text.strip())
        )
    except _page.TooComplex:
        return "pages_too_complex"
    return page if page.text.strip() else "pages_without_text"


def _broken(file: SourceFile, offset: int, reason: str) -> DataError:
    return DataError(
        f"{file.name} is not a complete web archive",
        got=f"{reason.strip().splitlines()[0] if reason.strip() else 'a broken record'} "
        f"(in the record at byte {offset:,})",
        expected="WARC records to the end",
        fix="download it again, or leave it out",
    )
