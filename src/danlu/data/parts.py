"""Rows into parquet files of bounded size, made in memory and written through `danlu.files`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from danlu import files
from danlu.data.rows import SCHEMA
from danlu.errors import DataError

PART_BYTES = 128 << 20
"""A file is closed when its rows take that much memory."""
ROW_GROUP = 4_096


class Parts:
    """Writes `name-00000.parquet`, `name-00001.parquet` …; the first one even without rows."""

    def __init__(self, folder: Path, name: str, disk: files.Disk, *, sync: bool = True) -> None:
        self.folder, self.name, self.disk, self.sync = folder, name, disk, sync
        self.files: dict[str, dict[str, Any]] = {}
        """What was written: bytes, rows and SHA-256 by file name."""
        self._held: list[pa.RecordBatch] = []
        self._bytes = 0

    def add(self, rows: pa.RecordBatch) -> None:
        """Take some rows."""
        if rows.num_rows:
            self._held.append(rows)
            self._bytes += rows.nbytes
        if self._bytes >= PART_BYTES:
            self._flush()

    def close(self) -> dict[str, dict[str, Any]]:
        """Write what is left; returns `files`."""
        if self._held or not self.files:
            self._flush()
        return self.files

    def _flush(self) -> None:
        table = pa.Table.from_batches(self._held, schema=SCHEMA)
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, compression="zstd", row_group_size=ROW_GROUP)
        data = sink.getvalue()
        name = f"{self.name}-{len(self.files):05}.parquet"
        digest = self.disk.write(self.folder / name, memoryview(data), sync=self.sync)
        self.files[name] = {"bytes": len(data), "rows": table.num_rows, "sha256": digest}
        self._held, self._bytes = [], 0


def read(path: Path, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
    """The rows of one file, with all columns or some of them.

    Raises:
        DataError: it is missing or damaged.
    """
    try:
        with pq.ParquetFile(path) as file:
            yield from file.iter_batches(batch_size=ROW_GROUP, columns=columns)
    except (OSError, pa.ArrowException) as error:
        raise DataError(
            f"{path} is missing or damaged",
            got=str(error).split("\n")[0],
            fix="prepare the corpus again with --force",
        ) from None
