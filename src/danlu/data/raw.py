"""The bytes, text and lines of one source file, piece by piece, and every way in which that fails.

A file may be larger than memory, so nothing here reads one whole unless that is asked for. Where
its bytes come from is all the same here: a disk, a store elsewhere, an archive, compressed or not.
"""

from __future__ import annotations

import codecs
import contextlib
import tempfile
from collections.abc import Iterator
from typing import BinaryIO, TypeVar, cast

from danlu.data import archives, compression, encoding, places, remote
from danlu.data.compression import Readable
from danlu.data.source_file import SourceFile, changed
from danlu.errors import DataError

PIECE = 1 << 20
MAX_LINE = 16 << 20
"""Longest line, in characters."""
MAX_WHOLE = 1 << 30
"""Largest file that is read as one value: a JSON array, a parquet file in an archive."""
SPOOL = 64 << 20
"""A file that is read whole, but needs not be in memory, is so up to that size."""


def pieces(file: SourceFile) -> Iterator[bytes]:
    """The file's bytes, unpacked, in pieces of at most 1 MiB.

    Raises:
        DataError: it (or its archive) vanished, changed while being read, cannot be read, is broken
            or truncated, or unpacks to too much; or the connection to it broke.
    """
    file.notes["read_bytes"] = 0
    with places.watched(file):
        if file.url and not file.member:
            places.check_unchanged(file)
        before = places.modified(file)
        with _opened(file) as handle:
            source = _Counted(handle, file)
            if file.compression:
                yield from compression.unpacked(
                    source, file.compression, file.name, size=file.bytes, piece=PIECE
                )
            else:
                while part := source.read(PIECE):
                    yield part
        if file.url and not file.member and file.notes["read_bytes"] < file.bytes:
            raise remote.cut_off(file.url, file.notes["read_bytes"], file.bytes)
        if not file.url:
            places.check_unchanged(file)
            if places.modified(file) != before:
                raise changed(file)


@contextlib.contextmanager
def seekable(file: SourceFile, why: str) -> Iterator[BinaryIO]:
    """The file's bytes, unpacked, as a file in which one can seek, for formats that need that.

    A member of an archive and a compressed file are copied to a temporary file without a name.

    Raises:
        DataError: as `pieces`, or what has to be copied is larger than MAX_WHOLE; `why` says why
            that matters. Errors while the file is used are left alone.
    """
    with contextlib.ExitStack() as stack:
        if file.member or file.compression:
            spool = stack.enter_context(tempfile.SpooledTemporaryFile(max_size=SPOOL))
            for part in _limited(pieces(file), file, why):
                spool.write(part)
            spool.seek(0)
            handle = cast(BinaryIO, spool)
        else:
            with places.watched(file):
                places.check_unchanged(file)
                handle = stack.enter_context(places.opened(file, seek=True))
        yield handle


def whole(file: SourceFile, why: str) -> bytes:
    """All bytes of a file that has to be in memory at once.

    Raises:
        DataError: as `pieces`, or it is larger than MAX_WHOLE; `why` says why that matters.
    """
    return b"".join(_limited(pieces(file), file, why))


def text(file: SourceFile) -> Iterator[str]:
    """The file's text in pieces; the encoding is noted in `file.notes["encoding"]`.

    Raises:
        DataError: as `pieces`, or the bytes are no text: binary, damaged, of an unclear encoding.
    """
    name, decoder = "", None
    offset, line = 0, 1
    for part, last in _with_last(pieces(file)):
        if decoder is None:
            name = _encoding(file, part, whole=last)
            decoder = codecs.getincrementaldecoder(name)("strict")
        try:
            decoded = decoder.decode(part, final=last)
        except UnicodeDecodeError as error:  # its object starts with what the last part left over
            at = offset - (len(error.object) - len(part)) + error.start
            on_line = line + encoding.line_at(error.object, error.start, name) - 1
            raise encoding.broken(file.name, name, at, on_line) from None
        if "\x00" in decoded:
            raise encoding.binary(file.name, "a binary file (it has NUL characters)")
        offset += len(part)
        line += decoded.count("\n")
        yield decoded


def whole_text(file: SourceFile, why: str) -> str:
    """All text of a file that has to be in memory at once.

    Raises:
        DataError: as `text`, or it is larger than MAX_WHOLE; `why` says why that matters.
    """
    return "".join(_limited(text(file), file, why))


def lines(file: SourceFile) -> Iterator[tuple[int, str]]:
    """The file's lines with their numbers from 1, without line ends.

    Raises:
        DataError: as `text`, or a line is longer than MAX_LINE.
    """
    number, rest = 0, ""
    for part in text(file):
        first, *others = part.split("\n")
        if len(rest) + len(first) > MAX_LINE:
            raise long_line(file, number + 1)
        rest += first
        for other in others:
            number += 1
            yield number, rest.removesuffix("\r")
            rest = other
    if rest:
        yield number + 1, rest


def long_line(file: SourceFile, number: int) -> DataError:
    """The error for a line that no text has."""
    return DataError(
        f"{file.name}:{number:,} is one enormous line",
        got=f"more than {MAX_LINE:,} characters without a line end",
        expected="text with line ends, or one record a line",
        fix="break it into lines (for text: `fold -s`), or leave the file out",
    )


T = TypeVar("T", str, bytes)


def _limited(parts: Iterator[T], file: SourceFile, why: str) -> Iterator[T]:
    size = 0
    for part in parts:
        size += len(part)
        if size > MAX_WHOLE:
            raise DataError(
                f"{file.name} is too large to be read at once ({why})",
                got=f"more than {MAX_WHOLE:,} bytes",
                fix="split it, or write it as JSON lines (.jsonl), which are read line by line",
            )
        yield part


def _with_last(parts: Iterator[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Each part and whether it is the last one; one empty part where there is none."""
    part = next(parts, b"")
    for following in parts:
        yield part, False
        part = following
    yield part, True


def _encoding(file: SourceFile, head: bytes, *, whole: bool) -> str:
    """The codec to read the file with, noted with the name that people know."""
    if file.encoding == "auto":
        name = encoding.detect(head, name=file.name, whole=whole)
    else:
        name = encoding.codec(file.encoding)
    file.notes["encoding"] = encoding.NAMES.get(name, name)
    return name


@contextlib.contextmanager
def _opened(file: SourceFile) -> Iterator[Readable]:
    if file.member:
        with archives.opened(file) as member:
            yield member
    else:
        with places.opened(file) as handle:
            yield handle


class _Counted:
    """A file whose notes say how much of it was read."""

    def __init__(self, handle: Readable, file: SourceFile) -> None:
        self._handle, self._notes = handle, file.notes

    def read(self, size: int, /) -> bytes:
        part = self._handle.read(size)
        self._notes["read_bytes"] += len(part)
        return part
