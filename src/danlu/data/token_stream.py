"""Text into one long row of token ids: BOS, document, BOS, document, …, BOS.

Notable choices: the tokenizer works on all cores while it has a batch, and takes nine tenths of the
time; what is done between batches is kept to whole columns and C loops (ids come out of the
tokenizer as Python lists, which `array` takes faster than numpy does). Memory is bounded by a batch
of text, 60 to 140 times its bytes while the tokenizer holds it, and 8 bytes a document (28 where
sources are mixed). A single document is never cut, so one of 10 MB takes about a GB.
"""

from __future__ import annotations

import io
import json
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from danlu import files, log
from danlu.data import mixture
from danlu.data.corpus import Corpus
from danlu.tokenizer import Tokenizer

BATCH_DOCUMENTS, BATCH_BYTES = 512, 1_000_000
"""A batch ends at whichever comes first."""


@dataclass(slots=True)
class Stream:
    """What a stream holds, known when it is written."""

    starts: array[int] = field(default_factory=lambda: array("Q", [0]))
    """[documents + 1] where each document begins; the last is where the closing BOS is."""
    bytes: int = 0
    """UTF-8 bytes of its text."""
    sha256: str = ""
    places: array[int] = field(default_factory=lambda: array("Q"))
    """[documents] by which documents are drawn; only where sources are mixed."""
    groups: array[int] = field(default_factory=lambda: array("I"))
    """[documents] the numbers of their sources; only where sources are mixed."""
    text_bytes: array[int] = field(default_factory=lambda: array("Q"))
    """[documents] UTF-8 bytes of each; only where sources are mixed."""

    @property
    def documents(self) -> int:
        """How many there are, repeats counted."""
        return len(self.starts) - 1

    def as_json(self) -> dict[str, Any]:
        """Its line in the manifest."""
        return {
            "tokens": self.starts[-1] + 1,
            "documents": self.documents,
            "bytes": self.bytes,
            "sha256": self.sha256,
        }


def write(
    disk: files.Disk,
    path: Path,
    corpus: Corpus,
    split: str,
    tokenizer: Tokenizer,
    dtype: np.dtype[Any],
    *,
    sources: list[str] | None = None,
) -> Stream:
    """Write the stream of a split in the corpus's order; the index is returned, not written.

    Args:
        disk: where to write.
        path: of the new file.
        corpus: whose text it is.
        split: `train` or `held_out`.
        tokenizer: whose ids they are.
        dtype: of the ids.
        sources: of a mixture; where each document belongs is then noted in the stream.

    Raises:
        DataError: the corpus is damaged.
        ResourceError: the disk is full.
    """
    stream = Stream()
    total = int(corpus.manifest["counts"][split]["documents"])
    columns = ["id", "text", "meta"] if sources else ["text"]
    numbers = {source: number for number, source in enumerate(sources or [])}

    def pieces() -> Iterator[bytes]:
        with log.Progress(f"tokenize {split}", total, unit="documents") as bar:
            for rows in corpus.batches(split, columns):
                for batch in cut(rows):
                    yield _encode(batch, stream, tokenizer, dtype)
                    if numbers:
                        _note(batch, stream, numbers)
                    bar.update(stream.documents, note=log.size(stream.bytes))
        yield np.asarray([tokenizer.bos_id], dtype).tobytes()

    stream.sha256 = disk.write(path, pieces())
    return stream


def write_index(disk: files.Disk, path: Path, stream: Stream) -> None:
    """Write where each document begins."""
    index = io.BytesIO()
    np.save(index, np.frombuffer(stream.starts, np.uint64))
    disk.write(path, index.getbuffer())


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


def _encode(
    batch: pa.RecordBatch, stream: Stream, tokenizer: Tokenizer, dtype: np.dtype[Any]
) -> bytes:
    """The ids of a batch; the stream's index and size grow by it."""
    texts = batch.column("text")
    ids = array("I")
    first = stream.starts[-1]
    for own in tokenizer.encode_batch(texts.to_pylist()):
        ids.append(tokenizer.bos_id)
        ids.fromlist(own)
        stream.starts.append(first + len(ids))
    stream.bytes += pc.sum(pc.binary_length(texts)).as_py() or 0
    return np.frombuffer(ids, np.uintc).astype(dtype).tobytes()


def _note(batch: pa.RecordBatch, stream: Stream, numbers: dict[str, int]) -> None:
    """Note of each document by what it is drawn."""
    stream.places.extend(map(mixture.place, batch.column("id").to_pylist()))
    marks = (json.loads(meta)[mixture.MARK] for meta in batch.column("meta").to_pylist())
    stream.groups.extend(numbers[mark] for mark in marks)
    stream.text_bytes.extend(pc.binary_length(batch.column("text")).to_pylist())


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
    begins = np.frombuffer(stream.starts, np.uint64).astype(np.int64)
    mixed = Stream(bytes=int(np.frombuffer(stream.text_bytes, np.uint64).astype(np.int64) @ counts))

    def pieces() -> Iterator[bytes]:
        for chosen in mixture.passes(counts):
            for begin, end in _runs(chosen):
                yield from _copied(base, begins[begin], begins[end])
            ends = mixed.starts[-1] + np.cumsum(begins[chosen + 1] - begins[chosen])
            mixed.starts.frombytes(ends.astype(np.uint64).tobytes())
        yield base[-1:].tobytes()

    mixed.sha256 = disk.write(path, pieces())
    return mixed


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
