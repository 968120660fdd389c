"""PDF files that hold text; needs `danlu[pdf]` (pypdf).

The text is what the file says is on a page, in the file's order, which for several columns or
tables need not be the reader's order. Hyphens at line ends stay: a cleaning step joins such words.
Pages that are only images are counted. Position in the file: `page`, from 1, the first of a part.
"""

from __future__ import annotations

import contextlib
import io
import logging
import struct
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from danlu.data import raw
from danlu.data.inputs import SourceFile
from danlu.data.sources import _parts
from danlu.errors import DataError, missing_extra
from danlu.types import Document

if TYPE_CHECKING:
    from pypdf import PageObject, PdfReader

SUFFIXES = (".pdf",)

SENTENCE_ENDS = tuple(".!?:。！？：”」』")

_BROKEN = (
    ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError, OSError,
    RecursionError, NotImplementedError, MemoryError, struct.error, zlib.error,
)  # fmt: skip
"""What pypdf raises on damaged files, besides its own errors."""


def read(file: SourceFile) -> Iterator[Document]:
    """One document, or several `name#0001` … where the text is long.

    Raises:
        MissingExtra: pypdf is not installed.
        DataError: as `raw.whole`, it is no PDF, damaged, or protected by a password.
    """
    reader = _opened(file)
    file.notes["encoding"] = "UTF-8"
    with _quiet():
        text, starts = _parts.joined(_pages(reader, file), "\n")
        meta = _about(reader)
    yield from _parts.documents(
        ((part, {**meta, "page": page}) for part, page in _parts.located(text, starts)), file
    )


def recognises(head: bytes, name: str) -> bool:
    """Whether a file begins as PDF files do."""
    return head.lstrip().startswith(b"%PDF-")


def _opened(file: SourceFile) -> PdfReader:
    try:
        from pypdf import PasswordType, PdfReader
        from pypdf.errors import DependencyError, PyPdfError
    except ImportError:
        raise missing_extra("pypdf", "pdf", f"reading {file.name}") from None
    data = raw.whole(file, "a PDF file")
    try:
        with _quiet():
            reader = PdfReader(io.BytesIO(data))
            # Files that only forbid printing or copying open with an empty password.
            if reader.is_encrypted and reader.decrypt("") == PasswordType.NOT_DECRYPTED:
                raise _locked(file, "it needs a password")
            len(reader.pages)
    except DependencyError as error:
        raise _locked(file, f"its encryption needs another package ({error})") from None
    except DataError:
        raise
    except (PyPdfError, *_BROKEN) as error:
        raise DataError(
            f"{file.name} is not a complete PDF file",
            got=str(error).split("\n")[0] or type(error).__name__,
            expected="a PDF file with its table of objects and pages",
            fix="download or save it again, or leave it out",
        ) from None
    return reader


def _locked(file: SourceFile, reason: str) -> DataError:
    return DataError(
        f"{file.name} is encrypted",
        got=reason,
        expected="a PDF file that opens without a password",
        fix="save it without a password (`qpdf --decrypt in.pdf out.pdf`), or leave it out",
    )


def _pages(reader: PdfReader, file: SourceFile) -> Iterator[str]:
    """The text of every page; empty where there is none, so that pages keep their numbers."""
    for number in range(len(reader.pages)):
        text = _page(reader, number)
        if text is None:
            _parts.left_out(file, "pages_that_are_damaged")
        elif not text.strip():
            _parts.left_out(file, "pages_without_text")
        text = (text or "").strip("\n")
        yield f"{text}\n" if text.endswith(SENTENCE_ENDS) else text


def _page(reader: PdfReader, number: int) -> str | None:
    """The text of a page, or None if it is damaged."""
    from pypdf.errors import PyPdfError

    try:
        page: PageObject = reader.pages[number]
        text = page.extract_text()
    except (PyPdfError, *_BROKEN):
        return None
    sound = text.replace("\x00", "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return "\n".join(line.rstrip() for line in sound.splitlines())


def _about(reader: PdfReader) -> dict[str, str]:
    """Title and author, as far as the file states them."""
    from pypdf.errors import PyPdfError

    try:
        about = reader.metadata
        title, author = (about.title, about.author) if about else (None, None)
    except (PyPdfError, *_BROKEN):
        return {}
    return _parts.known(title=_parts.short(title), author=_parts.short(author))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """No log lines of pypdf: what matters of them is raised or counted."""
    logger = logging.getLogger("pypdf")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)
