"""The bytes, text and lines of one source file, piece by piece, and every way in which that fails.

A file may be larger than memory, so nothing here reads one whole unless that is asked for.
Gzip is unpacked under two limits: a few kB can unpack to gigabytes (a gzip bomb).
"""

from __future__ import annotations

import codecs
import zlib
from collections.abc import Iterator
from typing import BinaryIO, TypeVar

from danlu.data import encoding
from danlu.data.inputs import SourceFile, unreadable
from danlu.errors import DataError

PIECE = 1 << 20
MAX_LINE = 16 << 20
"""Longest line, in characters."""
MAX_WHOLE = 1 << 30
"""Largest file that is read as one value: a JSON array, a gzipped parquet file."""
MAX_UNPACKED = 64 << 30
"""Most bytes that one gzip file may unpack to."""
MAX_RATIO = 250
"""Most unpacked bytes for a packed one; text packs 3 to 20 fold, gzip can pack 1,032 fold."""
FREE_BYTES = 8 << 20
"""The ratio is not looked at before that much has been unpacked."""


def pieces(file: SourceFile) -> Iterator[bytes]:
    """The file's bytes, unpacked, in pieces of about 1 MiB.

    Raises:
        DataError: it vanished, changed while being read, cannot be read, is a broken or truncated
            gzip file, or one that unpacks to too much.
    """
    file.notes["read_bytes"] = 0
    try:
        with file.path.open("rb") as handle:
            yield from _unzipped(handle, file) if file.gzipped else _plain(handle, file)
        changed = file.path.stat().st_size != file.bytes
    except FileNotFoundError:
        raise DataError(
            f"{file.name} vanished while it was read",
            got=str(file.path),
            fix="put it back, or run the same command again",
        ) from None
    except OSError as error:
        raise unreadable(file.path, error) from None
    if changed:
        raise DataError(
            f"{file.name} changed while it was read",
            expected=f"{file.bytes:,} bytes to the end",
            fix="wait until it is complete, then run the same command again",
        )


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


def _plain(handle: BinaryIO, file: SourceFile) -> Iterator[bytes]:
    while part := handle.read(PIECE):
        file.notes["read_bytes"] += len(part)
        yield part


def _unzipped(handle: BinaryIO, file: SourceFile) -> Iterator[bytes]:
    """What a gzip file holds, all its members, at most 1 MiB in memory at a time."""
    unpacker = zlib.decompressobj(wbits=31)
    packed, unpacked, data = 0, 0, b""
    while True:
        if not data:
            data = handle.read(PIECE)
            packed += len(data)
            file.notes["read_bytes"] = packed
            if not data:
                break
        if unpacker.eof:
            if not data.strip(b"\x00"):  # padding after the last member
                data = b""
                continue
            unpacker = zlib.decompressobj(wbits=31)
        try:
            part = unpacker.decompress(data, PIECE)
        except zlib.error as error:
            raise _broken_gzip(file, packed - len(data), str(error)) from None
        data = unpacker.unconsumed_tail or unpacker.unused_data
        unpacked += len(part)
        _check_bomb(file, packed - len(data), unpacked)
        if part:
            yield part
    if not unpacker.eof:
        raise _broken_gzip(file, packed, "it ends before its last block: it was cut")


def _check_bomb(file: SourceFile, packed: int, unpacked: int) -> None:
    ratio = unpacked / max(packed, 1)
    if unpacked > MAX_UNPACKED or (unpacked > FREE_BYTES and ratio > MAX_RATIO):
        raise DataError(
            f"{file.name} unpacks to far more than text would (a gzip bomb?)",
            got=f"{unpacked:,} bytes from {packed:,}, {ratio:,.0f} fold, and more to come",
            expected=f"at most {MAX_RATIO} fold and {MAX_UNPACKED:,} bytes",
            fix="unpack it yourself if you trust it, or leave it out",
        )


def _broken_gzip(file: SourceFile, offset: int, reason: str) -> DataError:
    return DataError(
        f"{file.name} is a broken gzip file: {reason}",
        got=f"the fault is at byte {offset:,} of {file.bytes:,}",
        expected="a complete .gz file",
        fix="download or compress it again, or leave it out",
    )
