"""Cleaned rows of all portions on disk, any of them by the number of its document."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from danlu.data import keys
from danlu.data.work import Work


class Spool:
    """Reads what the stage `clean` wrote, mapped into memory: nothing is read that is not asked."""

    def __init__(self, work: Work, portions: int) -> None:
        self.work, self.portions = work, portions
        self._table = functools.lru_cache(8)(self._open)
        self._signatures = functools.lru_cache(64)(self._open_signatures)

    def batches(self, portion: int) -> Iterator[pa.RecordBatch]:
        """The rows of a portion, in order."""
        yield from self._table(portion).to_batches()

    def texts(self, documents: keys.U64) -> pa.StringArray:
        """The texts of documents, given by sorted numbers."""
        return self.column("text", documents)

    def column(self, name: str, documents: keys.U64) -> pa.StringArray:
        """A column of documents, given by sorted numbers."""
        parts = [
            self._table(portion).column(name).take(mine).combine_chunks()
            for portion, mine in _by_portion(documents)
        ]
        chunks = [chunk for part in parts for chunk in _chunks(part)]
        return pa.concat_arrays(chunks) if chunks else pa.array([], pa.string())

    def signatures(self, documents: keys.U64) -> npt.NDArray[np.uint32]:
        """[N, K] the MinHash signatures of documents, in any order."""
        portion = (documents >> np.uint64(32)).astype(np.int64)
        row = (documents & np.uint64(0xFFFFFFFF)).astype(np.int64)
        found: Any = None
        for p in np.unique(portion).tolist():
            mine, signatures = portion == p, self._signatures(p)
            if found is None:
                found = np.zeros((len(documents), signatures.shape[1]), np.uint32)
            found[mine] = signatures[row[mine]]
        return np.zeros((0, 1), np.uint32) if found is None else np.asarray(found)

    def _open(self, portion: int) -> pa.Table:
        file = pa.memory_map(str(self.work.place("clean", portion, "arrow")))
        return pa.ipc.open_file(file).read_all()

    def _open_signatures(self, portion: int) -> Any:
        return keys.load(self.work.place("clean", portion, "signatures.npy"))


def _by_portion(documents: keys.U64) -> Iterator[tuple[int, Sequence[int]]]:
    portion = (documents >> np.uint64(32)).astype(np.int64)
    row = (documents & np.uint64(0xFFFFFFFF)).astype(np.int64)
    for p in np.unique(portion).tolist():
        yield p, pa.array(row[portion == p])


def _chunks(column: Any) -> list[pa.Array]:
    return list(column.chunks) if isinstance(column, pa.ChunkedArray) else [column]
