"""Numbers by which documents of all portions are brought together, on disk.

For each portion one array of 64-bit keys, each band of it sorted, and the rows they are of. Since
they are sorted, a task that handles a range of keys reads just its slice of every portion: this is
the shuffle, and it needs memory for one range, not for all keys. Documents are numbered
portion · 2³² + row, in the order in which they were read.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from danlu import files

U64 = npt.NDArray[np.uint64]

RANGE_KEYS = 4_000_000
"""Keys that one task brings together: 64 MB with their documents."""


def number(portion: int, rows: Any) -> U64:
    """The numbers of documents of a portion.

    >>> number(2, np.array([5])).tolist() == [2 * 2**32 + 5]
    True
    """
    return np.asarray(rows, np.uint64) + (np.uint64(portion) << np.uint64(32))


def write(disk: files.Disk, path: Path, array: npt.NDArray[Any]) -> None:
    """An array as a `.npy` file."""
    sink = io.BytesIO()
    np.save(sink, array, allow_pickle=False)
    disk.write(path, sink.getbuffer())


def load(path: Path) -> Any:
    """An array as it was written, mapped into memory."""
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    return array if array.size else np.array(array)


def pack(keys: U64, rows: npt.NDArray[Any]) -> npt.NDArray[np.uint64]:
    """[2B, n] sorted keys of each band and their rows, from keys [B, n] of rows [n].

    >>> pack(np.array([[7, 3]], np.uint64), np.array([0, 4])).tolist()
    [[3, 7], [4, 0]]
    """
    order = np.argsort(keys, axis=1, kind="stable")
    packed = np.empty((2 * len(keys), keys.shape[1]), np.uint64)
    packed[: len(keys)] = np.take_along_axis(keys, order, axis=1)
    packed[len(keys) :] = np.asarray(rows, np.uint64)[order]
    return packed


def ranges(bands: int, documents: int, per_range: int = RANGE_KEYS) -> list[tuple[int, int, int]]:
    """The work of bringing keys together: (band, part, parts), each of about `per_range` keys.

    >>> ranges(2, 9, per_range=5)
    [(0, 0, 2), (0, 1, 2), (1, 0, 2), (1, 1, 2)]
    """
    parts = max(1, -(-documents // per_range))
    return [(band, part, parts) for band in range(bands) for part in range(parts)]


def together(
    paths: Sequence[Path], band: int, part: int, parts: int, *, drop: U64 | None = None
) -> tuple[U64, U64]:
    """Keys of one band in one part of their range, sorted, with the numbers of their documents.

    Only keys that at least two documents have are returned. `drop` are sorted numbers of documents
    that are left out.
    """
    low = np.uint64(part * 2**64 // parts)
    high = np.uint64((part + 1) * 2**64 // parts) if part + 1 < parts else None
    keys, documents = [], []
    for portion, path in enumerate(paths):
        packed = load(path)
        bands = len(packed) // 2
        start = int(np.searchsorted(packed[band], low))
        end = packed.shape[1] if high is None else int(np.searchsorted(packed[band], high))
        mine = number(portion, packed[bands + band, start:end])
        some = np.array(packed[band, start:end])
        if drop is not None and len(drop):
            stays = ~contained(mine, drop)
            mine, some = mine[stays], some[stays]
        keys.append(some)
        documents.append(mine)
    if not keys:
        return np.zeros(0, np.uint64), np.zeros(0, np.uint64)
    every, of = np.concatenate(keys), np.concatenate(documents)
    order = np.argsort(every, kind="stable")  # stable: documents in the order they were read
    every, of = every[order], of[order]
    equal = every[1:] == every[:-1]
    shared = np.zeros(len(every), np.bool_)
    shared[1:] |= equal
    shared[:-1] |= equal
    return every[shared], of[shared]


def contained(values: U64, sorted_values: U64) -> npt.NDArray[np.bool_]:
    """[N] which values are among sorted ones.

    >>> contained(np.array([5, 6], np.uint64), np.array([1, 5], np.uint64)).tolist()
    [True, False]
    """
    if not len(sorted_values):
        return np.zeros(len(values), np.bool_)
    at = np.searchsorted(sorted_values, values)
    return np.asarray(sorted_values[np.minimum(at, len(sorted_values) - 1)] == values)


def groups(keys: U64) -> Iterator[tuple[int, int]]:
    """Bounds of the runs of equal keys.

    >>> list(groups(np.array([3, 3, 5, 5, 5], np.uint64)))
    [(0, 2), (2, 5)]
    """
    bounds = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1], [True]]))
    yield from zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True) if len(keys) else ()
