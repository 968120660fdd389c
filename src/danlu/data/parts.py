"""Rows to parquet files, made in memory and written through `danlu.files`, and back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from danlu import files
from danlu.data.rows import SCHEMA
from danlu.errors import DataError

ROW_GROUP = 4_096


def write(path: Path, batches: Sequence[pa.RecordBatch], disk: files.Disk) -> dict[str, Any]:
    """Write one file; returns its bytes, rows and SHA-256."""
    table = pa.Table.from_batches(batches, schema=SCHEMA)
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", row_group_size=ROW_GROUP)
    data = sink.getvalue()
    disk.unlink(path)
    digest = disk.write(path, memoryview(data))
    return {"bytes": len(data), "rows": table.num_rows, "sha256": digest}


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
