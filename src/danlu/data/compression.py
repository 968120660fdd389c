"""Compressed bytes to plain ones, piece by piece: gzip, zstd, bzip2 and xz through one loop.

A codec is a row in a table: its first bytes and an object with the interface of Python's
`bz2.BZ2Decompressor`. Files of several streams, one after the other, are read to their end, as the
tools of each format do. Everything is unpacked under two limits: a few kB can unpack to gigabytes
(a bomb; gzip can pack 1,032 fold, the others far more).
"""

from __future__ import annotations

import bz2
import lzma
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from danlu.errors import DataError

PIECE, READ = 1 << 20, 1 << 16
"""Most bytes given out, and read, at once."""
MAX_UNPACKED = 64 << 30
"""Most bytes that one file may unpack to."""
MAX_RATIO = 250
"""Most unpacked bytes for a packed one; text packs 3 to 20 fold."""
FREE_BYTES = 8 << 20
"""The ratio is not looked at before that much has been unpacked."""
MAX_WINDOW = 1 << 31
"""Most memory for what a file refers back to; dumps packed with `zstd --long=31` need all of it."""


class Readable(Protocol):
    """Anything that gives bytes."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; none at the end."""


class Decompressor(Protocol):
    """One stream of compressed bytes; as `bz2.BZ2Decompressor`."""

    @property
    def eof(self) -> bool:
        """Whether the stream has ended."""

    @property
    def needs_input(self) -> bool:
        """Whether nothing more comes out before more is put in."""

    @property
    def unused_data(self) -> bytes:
        """What was put in after the end of the stream."""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """The next bytes."""


class _Gzip:
    """zlib's object keeps what it did not get to outside; here it is kept inside."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def needs_input(self) -> bool:
        return not self._zlib.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._zlib.decompress(self._zlib.unconsumed_tail + data, max_length)


class _Zstd:
    """zstandard's object gives all that comes out of what is put in, so little is put in at once.

    A block of 4 bytes can hold 128 KiB: out of SLICE bytes come 16 MiB at the very most.
    """

    SLICE = 1 << 9

    def __init__(self) -> None:
        import zstandard

        self._error = zstandard.ZstdError
        self._zstd = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW).decompressobj()
        self._waiting = memoryview(b"")

    @property
    def eof(self) -> bool:
        return self._zstd.eof

    @property
    def needs_input(self) -> bool:
        return not self._waiting

    @property
    def unused_data(self) -> bytes:
        return self._zstd.unused_data + bytes(self._waiting)

    def decompress(self, data: bytes, max_length: int) -> bytes:
        self._waiting = memoryview(bytes(self._waiting) + data if self._waiting else data)
        parts, size = [], 0
        while self._waiting and size < max_length and not self._zstd.eof:
            slice, self._waiting = self._waiting[: self.SLICE], self._waiting[self.SLICE :]
            try:
                parts.append(self._zstd.decompress(slice))
            except self._error as error:
                raise ValueError(str(error)) from None
            size += len(parts[-1])
        return b"".join(parts)


@dataclass(frozen=True)
class Codec:
    """A way of packing: how it is recognised, and what unpacks it."""

    name: str
    suffixes: tuple[str, ...]
    magic: re.Pattern[bytes]
    start: Callable[[], Decompressor]
    mark: bytes
    """How even a damaged or cut file starts; enough where the suffix says so too."""


CODECS = {
    codec.name: codec
    for codec in (
        Codec("gzip", (".gz", ".gzip", ".tgz"), re.compile(rb"\x1f\x8b"), _Gzip, b"\x1f\x8b"),
        Codec(  # a frame, or one that is to be skipped before it (RFC 8878, 3.1)
            "zstd",
            (".zst", ".zstd", ".tzst"),
            re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18"),
            _Zstd,
            b"\x28\xb5",
        ),
        Codec(  # text may start with BZh too; what follows is pi, or its root where it is empty
            "bzip2",
            (".bz2", ".tbz2", ".tbz"),
            re.compile(rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)"),
            bz2.BZ2Decompressor,
            b"BZh",
        ),
        Codec(
            "xz",
            (".xz", ".txz"),
            re.compile(rb"\xfd7zXZ\x00"),
            lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MAX_WINDOW),
            b"\xfd7z",
        ),
    )
}

_FAULTS = (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError)


def recognised(head: bytes, name: str) -> str:
    """The codec of a file by its first bytes, or an empty string.

    >>> recognised(b"BZh91AY&SY...", "a.txt"), recognised(b"BZh is how bzip2 starts.", "a.txt")
    ('bzip2', '')
    """
    for codec in CODECS.values():
        suffixed = name.lower().endswith(codec.suffixes) and head.startswith(codec.mark)
        if suffixed or codec.magic.match(head):
            return codec.name
    return ""


def inner_name(name: str) -> str:
    """The name without the suffix that stands for compression.

    >>> inner_name("a/b.jsonl.zst"), inner_name("notes.gz.txt")
    ('a/b.jsonl', 'notes.gz.txt')
    """
    for codec in CODECS.values():
        for suffix in codec.suffixes:
            if name.lower().endswith(suffix):
                return name[: -len(suffix)] + (".tar" if suffix.startswith(".t") else "")
    return name


def unpacked(
    handle: Readable, codec: str, name: str, *, size: int = 0, piece: int = PIECE
) -> Iterator[bytes]:
    """What a compressed file holds, all its streams, in pieces of at most `piece` bytes.

    Args:
        handle: gives the packed bytes.
        codec: a name in CODECS.
        name: what errors call the file.
        size: of the packed file, for errors; 0 is unknown.
        piece: in bytes.

    Raises:
        DataError: it is broken or cut (with the place), or unpacks to too much.
    """
    unpacker = CODECS[codec].start()
    packed, given, data = 0, 0, b""
    while True:
        if not data and (unpacker.eof or unpacker.needs_input):
            data = handle.read(READ)
            packed += len(data)
            if not data:
                break
        if unpacker.eof:
            if not data.strip(b"\x00"):  # padding after the last stream
                data = b""
                continue
            unpacker = CODECS[codec].start()
        try:
            part = unpacker.decompress(data, piece)
        except _FAULTS as error:
            raise _broken(name, codec, packed - len(data), size, str(error)) from None
        data = unpacker.unused_data if unpacker.eof else b""
        given += len(part)
        for start in range(0, len(part), piece):
            yield part[start : start + piece]
        check_bomb(name, codec, packed - len(data), given)  # after a first look at what it is
    if not unpacker.eof:
        raise _broken(name, codec, packed, size, "it ends before its last block: it was cut")


def check_bomb(name: str, kind: str, packed: int, given: int) -> None:
    """Nothing, as long as `packed` bytes have given no more than text would.

    Raises:
        DataError: more than MAX_UNPACKED, or more than MAX_RATIO fold after FREE_BYTES.
    """
    ratio = given / max(packed, 1)
    if given > MAX_UNPACKED or (given > FREE_BYTES and ratio > MAX_RATIO):
        raise DataError(
            f"{name} unpacks to far more than text would (a {kind} bomb?)",
            got=f"{given:,} bytes from {packed:,}, {ratio:,.0f} fold, and perhaps more to come",
            expected=f"at most {MAX_RATIO} fold and {MAX_UNPACKED:,} bytes",
            fix="unpack it yourself if you trust it, or leave it out",
        )


def _broken(name: str, codec: str, offset: int, size: int, reason: str) -> DataError:
    of = f" of {size:,}" if size else ""
    return DataError(
        f"{name} is a broken {codec} file: {reason}",
        got=f"the fault is at or soon after byte {offset:,}{of}",
        expected=f"a complete {CODECS[codec].suffixes[0]} file",
        fix="download or compress it again, or leave it out",
    )
