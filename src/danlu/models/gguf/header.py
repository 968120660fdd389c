"""What a GGUF file says of itself: its settings, and where its tensors lie.

A downloaded file may lie about every number in it, so each count is compared with the bytes that
are there before anything is allocated by it, in Python integers, which do not overflow. The reader
of the `gguf` package maps the file and believes its lengths; this one is used in its place.

Tensors must lie one after another, aligned, in the order of the table, as llama.cpp demands: that
leaves no room for overlaps or gaps. Versions 2 and 3 in little-endian order are read, which is all
that is found in use. Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from danlu.errors import ModelError, ResourceError

MAX_HEADER = 256 << 20
"""Bytes of settings and table; a vocabulary of 260,000 tokens with its merges takes 15 MB."""

MAX_TENSORS = 100_000
MAX_KEYS = 10_000
MAX_NAME = 65_535
MAX_DIMS = 4

Value = bool | int | float | str | list[str] | npt.NDArray[Any]

SCALARS: dict[int, str] = {
    **{0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i"},
    **{6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"},
}
"""GGUF's types of numbers, as `struct` and numpy spell them."""

BOOL, STRING, ARRAY = 7, 8, 9


@dataclass(frozen=True, slots=True)
class Kind:
    """How numbers are stored: `block` of them in `nbytes` bytes."""

    name: str
    block: int
    nbytes: int


KINDS: dict[int, Kind] = {
    0: Kind("F32", 1, 4),
    1: Kind("F16", 1, 2),
    2: Kind("Q4_0", 32, 18),
    3: Kind("Q4_1", 32, 20),
    6: Kind("Q5_0", 32, 22),
    7: Kind("Q5_1", 32, 24),
    8: Kind("Q8_0", 32, 34),
    10: Kind("Q2_K", 256, 84),
    11: Kind("Q3_K", 256, 110),
    12: Kind("Q4_K", 256, 144),
    13: Kind("Q5_K", 256, 176),
    14: Kind("Q6_K", 256, 210),
    20: Kind("IQ4_NL", 32, 18),
    23: Kind("IQ4_XS", 256, 136),
    30: Kind("BF16", 1, 2),
}
"""The kinds that are read, by their number in ggml."""

PLAIN = ("F32", "F16", "BF16")
"""Kinds that are not quantised."""


@dataclass(frozen=True, slots=True)
class Part:
    """One tensor: its shape with rows first, and bytes `start` to `end` of the file."""

    name: str
    shape: tuple[int, ...]
    kind: Kind
    start: int
    end: int

    @property
    def row_bytes(self) -> int:
        """Bytes of one row; a vector is one row."""
        return self.shape[-1] // self.kind.block * self.kind.nbytes


@dataclass(frozen=True, slots=True)
class Header:
    """A file's settings by key, and its tensors by name in the order of their bytes."""

    path: Path
    metadata: dict[str, Value]
    tensors: dict[str, Part]
    nbytes: int


def read_header(path: Path) -> Header:
    """The checked header of a GGUF file.

    Raises:
        ModelError: it is missing, no GGUF file, cut short, or one of its numbers is wrong.
    """
    with opened(path) as file:
        total = file.seek(0, 2)
        file.seek(0)
        cursor = _Cursor(path, file, total)
        n_tensors, n_keys = _opening(cursor)
        metadata: dict[str, Value] = {}
        for _ in range(n_keys):
            key = cursor.string(MAX_NAME, "the name of a setting")
            if key in metadata:
                raise cursor.bad(f"the setting {key!r} is given twice")
            metadata[key] = _value(cursor, cursor.number("I"), key)
        _not_a_piece(path, metadata)
        entries = [_entry(cursor) for _ in range(n_tensors)]
        tensors = _placed(cursor, entries, _alignment(cursor, metadata))
    return Header(path, metadata, tensors, total)


def opened(path: Path) -> BinaryIO:
    """The file, buffered.

    Raises:
        ModelError: it is missing or no plain file.
        ResourceError: it may not be read.
    """
    if not path.exists():
        raise ModelError(f"there is no file {path}", expected="a GGUF file")
    if not path.is_file():  # opening a pipe would wait for ever
        raise ModelError(f"{path} is not a plain file", expected="a GGUF file")
    try:
        return path.open("rb", buffering=1 << 20)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise ResourceError(f"cannot read {path}: {why}") from None


class _Cursor:
    """Reads on from the start of a file, never more than is left of it."""

    def __init__(self, path: Path, file: BinaryIO, total: int) -> None:
        self.path, self.file, self.total, self.at = path, file, total, 0

    def take(self, n: int, what: str) -> bytes:
        """The next `n` bytes."""
        if n > self.total - self.at:
            left = self.total - self.at
            raise self.bad(f"{what} needs {n:,} bytes where {left:,} are left: cut short?")
        if n > MAX_HEADER - self.at:
            raise self.bad(f"its header has more than {MAX_HEADER:,} bytes")
        data = self.file.read(n)
        if len(data) != n:
            raise self.bad("it ended while it was read: somebody shortened it")
        self.at += n
        return data

    def number(self, code: str, what: str = "its header") -> Any:
        """The next number, of a type as `struct` spells it."""
        data = self.take(struct.calcsize(f"<{code}"), what)
        if code == "?" and data not in (b"\0", b"\1"):
            raise self.bad(f"{what} has a truth value that is neither 0 nor 1")
        return struct.unpack(f"<{code}", data)[0]

    def string(self, limit: int, what: str) -> str:
        """The next text."""
        length = self.number("Q", what)
        if length > limit:
            raise self.bad(f"{what} has {length:,} bytes; at most {limit:,} are read")
        try:
            return self.take(length, what).decode()
        except UnicodeDecodeError:
            raise self.bad(f"{what} is not UTF-8") from None

    def bad(self, what: str) -> ModelError:
        return bad(self.path, what)


def bad(path: Path, what: str) -> ModelError:
    """The error for a file whose bytes are wrong."""
    text = what if len(what) < 400 else what[:400] + "…"
    return ModelError(f"{path} is not a usable GGUF file: {text}", fix="copy or download it again")


def _opening(cursor: _Cursor) -> tuple[int, int]:
    """The number of tensors and of settings."""
    if (magic := cursor.take(4, "its first word")) != b"GGUF":
        raise cursor.bad(f"it starts with {magic!r}, not with b'GGUF'")
    version = cursor.number("I")
    if version not in (2, 3):
        swapped = version in (2 << 24, 3 << 24)
        raise ModelError(
            f"{cursor.path} cannot be read",
            got="big-endian byte order" if swapped else f"version {version} of the format",
            expected="version 2 or 3 in little-endian byte order",
            fix="convert the model again with a current llama.cpp",
        )
    n_tensors, n_keys = cursor.number("Q"), cursor.number("Q")
    for n, limit, what in ((n_tensors, MAX_TENSORS, "tensors"), (n_keys, MAX_KEYS, "settings")):
        if n > limit:
            raise cursor.bad(f"it claims {n:,} {what}; at most {limit:,} are read")
    return n_tensors, n_keys


def _value(cursor: _Cursor, kind: int, key: str) -> Value:
    """The value of a setting: a number, a text, or a list of either."""
    what = f"the setting {key!r}"
    if kind in SCALARS:
        number: bool | int | float = cursor.number(SCALARS[kind], what)
        return number
    if kind == STRING:
        return cursor.string(MAX_HEADER, what)
    if kind != ARRAY:
        raise cursor.bad(f"{what} is of the unknown type {kind}")
    kind, count = cursor.number("I", what), cursor.number("Q", what)
    if kind == STRING:
        if 8 * count > cursor.total - cursor.at:
            raise cursor.bad(f"{what} claims {count:,} texts: cut short?")
        return [cursor.string(MAX_HEADER, what) for _ in range(count)]
    if kind not in SCALARS:
        raise cursor.bad(f"{what} is a list of the type {kind}, which is not read")
    dtype = np.dtype(SCALARS[kind]).newbyteorder("<")
    return np.frombuffer(cursor.take(count * dtype.itemsize, what), dtype)


def _not_a_piece(path: Path, metadata: dict[str, Value]) -> None:
    """Refuse one of several files that are a model only together."""
    count = metadata.get("split.count", 0)
    if isinstance(count, int) and count > 1:
        raise ModelError(
            f"{path} is one of {count} pieces of a model",
            expected="a model in one file",
            fix="join them: llama-gguf-split --merge FIRST-PIECE.gguf WHOLE.gguf",
        )


def _alignment(cursor: _Cursor, metadata: dict[str, Value]) -> int:
    n = metadata.get("general.alignment", 32)
    if type(n) is not int or not 1 <= n <= 1 << 20 or n & (n - 1):
        raise cursor.bad(f"general.alignment is {n!r}, expected a power of two")
    return n


@dataclass(frozen=True, slots=True)
class _Entry:
    name: str
    shape: tuple[int, ...]
    kind: Kind
    offset: int

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) // self.kind.block * self.kind.nbytes


def _entry(cursor: _Cursor) -> _Entry:
    """One line of the table; `offset` counts from the first tensor."""
    name = cursor.string(MAX_NAME, "the name of a tensor")
    what = f"the tensor {name!r}"
    n_dims = cursor.number("I", what)
    if not 1 <= n_dims <= MAX_DIMS:
        raise cursor.bad(f"{what} has {n_dims:,} dimensions, expected 1 to {MAX_DIMS}")
    shape = tuple(cursor.number("Q", what) for _ in range(n_dims))[::-1]
    if not all(1 <= n < 1 << 63 for n in shape):
        raise cursor.bad(f"{what} has the shape {list(shape)}")
    number, offset = cursor.number("I", what), cursor.number("Q", what)
    kind = KINDS.get(number)
    if kind is None:
        raise ModelError(
            f"{what} of {cursor.path} is stored in a way that is not read",
            got=f"type {number} of ggml",
            expected=", ".join(kind.name for kind in KINDS.values()),
            fix="take another quantisation of this model, such as Q8_0 or Q4_K_M",
        )
    if shape[-1] % kind.block:
        raise cursor.bad(f"{what} has rows of {shape[-1]:,} in {kind.name}: blocks of {kind.block}")
    return _Entry(name, shape, kind, offset)


def _placed(cursor: _Cursor, entries: list[_Entry], alignment: int) -> dict[str, Part]:
    """The tensors where they lie, each directly after the one before."""
    start = _up(cursor.at, alignment)
    tensors: dict[str, Part] = {}
    at = 0
    for entry in entries:
        if entry.name in tensors:
            raise cursor.bad(f"the tensor {entry.name!r} is given twice")
        if entry.offset != at:
            raise cursor.bad(f"{entry.name!r} lies at byte {entry.offset:,}, expected {at:,}")
        end = start + at + entry.nbytes
        if end > cursor.total:
            raise cursor.bad(f"{entry.name!r} ends at byte {end:,} of {cursor.total:,}: cut short?")
        tensors[entry.name] = Part(entry.name, entry.shape, entry.kind, start + at, end)
        at = _up(at + entry.nbytes, alignment)
    return tensors


def _up(n: int, multiple: int) -> int:
    """The next multiple.

    >>> _up(33, 32), _up(32, 32)
    (64, 32)
    """
    return -(-n // multiple) * multiple
