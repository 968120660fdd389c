"""Text into one long row of token ids: BOS, document, BOS, document, …, BOS.

A piece is what one file of a corpus gives, without the last BOS; pieces one after the other are the
stream. Notable choices: what is done beside the tokenizer is kept to whole columns and arrays.
Memory is bounded by a batch of text, tens of times its bytes while its words are looked up, and
8 bytes a document (32 where sources are mixed). A single document is never cut.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from danlu import files
from danlu.data import keys, mixture
from danlu.tokenizer import Tokenizer

BATCH_DOCUMENTS, BATCH_BYTES = 4_096, 1_000_000
"""A batch ends at whichever comes first."""

COLUMNS = {False: ["text"], True: ["id", "text", "meta"]}
"""What is read of a corpus, by whether its sources are mixed."""

SIZE, PLACE, GROUP, BYTES = range(4)
"""Rows of `Piece.documents`: tokens with BOS; where sources are mixed also the number by which a
document is drawn, the number of its source, and its UTF-8 bytes."""


@dataclass(frozen=True, slots=True)
class Stream:
    """What a stream holds, known when it is written."""

    documents: npt.NDArray[np.uint64]
    """[1 or 4, documents] see `SIZE`."""
    bytes: int
    """UTF-8 bytes of its text."""
    sha256: str

    @property
    def starts(self) -> npt.NDArray[np.uint64]:
        """[documents + 1] where each document begins; the last is where the closing BOS is."""
        return np.concatenate([np.zeros(1, np.uint64), np.cumsum(self.documents[SIZE])])

    def as_json(self) -> dict[str, Any]:
        """Its line in the manifest."""
        return {
            "tokens": int(self.documents[SIZE].sum()) + 1,
            "documents": self.documents.shape[1],
            "bytes": self.bytes,
            "sha256": self.sha256,
        }


def write(
    disk: files.Disk,
    path: Path,
    batches: Iterable[pa.RecordBatch],
    tokenizer: Tokenizer,
    dtype: np.dtype[Any],
    *,
    sources: list[str],
) -> Stream:
    """Write a piece of a stream: the documents of some rows, in their order.

    Args:
        disk: where to write.
        path: of the new file.
        batches: rows with the columns in `COLUMNS`.
        tokenizer: whose ids they are.
        dtype: of the ids.
        sources: of a mixture; where each document belongs is then noted in the stream.

    Raises:
        DataError: the corpus is damaged.
        ResourceError: the disk is full.
    """
    noted = [np.zeros((4 if sources else 1, 0), np.uint64)]
    numbers = {source: number for number, source in enumerate(sources)}
    size = 0

    def ids() -> Iterator[bytes]:
        nonlocal size
        bos = np.array([tokenizer.bos_id], np.uint32)
        for rows in batches:
            for batch in cut(rows):
                found = tokenizer.encode_arrays(batch.column("text").to_pylist())
                sizes = [len(own) + 1 for own in found]
                noted.append(np.array([sizes, *(_note(batch, numbers) if sources else [])], "u8"))
                size += pc.sum(pc.binary_length(batch.column("text"))).as_py() or 0
                row = [part for own in found for part in (bos, own)]
                yield np.concatenate(row).astype(dtype).tobytes()

    digest = disk.write(path, ids())
    return Stream(np.concatenate(noted, axis=1), size, digest)


def _note(batch: pa.RecordBatch, numbers: dict[str, int]) -> list[list[int]]:
    """Of each document by what it is drawn."""
    marks = (json.loads(meta)[mixture.MARK] for meta in batch.column("meta").to_pylist())
    return [
        list(map(mixture.place, batch.column("id").to_pylist())),
        [numbers[mark] for mark in marks],
        pc.binary_length(batch.column("text")).to_pylist(),
    ]


def write_index(disk: files.Disk, path: Path, stream: Stream) -> None:
    """Write where each document begins."""
    keys.write(disk, path, stream.starts)


def cut(rows: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """The rows in batches of bounded size, at least one row each.

    >>> rows = pa.record_batch({"text": ["a" * 800_000, "b" * 300_000, "c", "d"]})
    >>> [batch.num_rows for batch in cut(rows)]
    [1, 3]
    """
    begin = size = 0  # not to_numpy: it would import pandas where that is installed
    for number, own in enumerate(pc.binary_length(rows.column("text")).to_pylist()):
        full = number - begin >= BATCH_DOCUMENTS or size + own > BATCH_BYTES
        if full and number > begin:
            yield rows.slice(begin, number - begin)
            begin, size = number, 0
        size += own
    if begin < rows.num_rows:
        yield rows.slice(begin)


def mix(
    disk: files.Disk,
    path: Path,
    base: npt.NDArray[np.unsignedinteger],
    stream: Stream,
    counts: mixture.Ints,
) -> Stream:
    """Write the stream in which each document of `base` is as often as `counts` says.

    Args:
        disk: where to write.
        path: of the new file.
        base: [N] ids of the stream in which each document is once, memory-mapped.
        stream: what `base` holds.
        counts: [documents] see `mixture.copies`.
    """
    begins = stream.starts.astype(np.int64)
    order = list(mixture.passes(counts))
    text_bytes = int(stream.documents[BYTES].astype(np.int64) @ counts)

    def ids() -> Iterator[bytes]:
        for chosen in order:
            for begin, end in _runs(chosen):
                yield from _copied(base, begins[begin], begins[end])
        yield base[-1:].tobytes()

    digest = disk.write(path, ids())
    return Stream(stream.documents[:1, np.concatenate(order)], text_bytes, digest)


def _runs(chosen: mixture.Ints) -> Iterator[tuple[int, int]]:
    """Documents that follow one another, as (first, one past the last).

    >>> list(_runs(np.array([0, 1, 2, 5, 7, 8])))
    [(0, 3), (5, 6), (7, 9)]
    """
    breaks = np.flatnonzero(np.diff(chosen) != 1) + 1
    firsts = chosen[np.concatenate([[0], breaks])]
    lasts = chosen[np.concatenate([breaks - 1, [len(chosen) - 1]])]
    yield from zip(firsts.tolist(), (lasts + 1).tolist(), strict=True)


def _copied(
    base: npt.NDArray[np.unsignedinteger], begin: int, end: int, piece: int = 1 << 20
) -> Iterator[bytes]:
    for start in range(begin, end, piece):
        yield base[start : min(start + piece, end)].tobytes()
