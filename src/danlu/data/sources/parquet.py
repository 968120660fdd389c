"""Parquet files, read batch by batch; binary columns are not read."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from danlu.data import raw, records
from danlu.data.inputs import SourceFile, unreadable
from danlu.errors import DataError
from danlu.types import Document

SUFFIXES = (".parquet", ".pq")

BATCH_ROWS = 512


def read(file: SourceFile) -> Iterator[Document]:
    """One document a row.

    Raises:
        DataError: the file is truncated or not parquet, or as `records.documents`.
    """
    file.notes["encoding"] = "UTF-8"
    return records.documents(rows(file), file)


def recognises(head: bytes, name: str) -> bool:
    """Whether a file starts as parquet does."""
    return head.startswith(b"PAR1")


def rows(file: SourceFile) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows with their numbers.

    Raises:
        DataError: the file is truncated or not parquet.
    """
    number = 0
    with _explained(file), _opened(file) as table:
        names = [field.name for field in table.schema_arrow if not is_binary(field.type)]
        for batch in table.iter_batches(batch_size=BATCH_ROWS, columns=names):
            for row in batch.to_pylist():
                number += 1
                yield number, row
            done = number / max(table.metadata.num_rows, 1)
            file.notes["read_bytes"] = int(done * file.bytes)


@contextlib.contextmanager
def _opened(file: SourceFile) -> Iterator[pq.ParquetFile]:
    if file.is_plain:
        with pq.ParquetFile(file.path) as table:
            yield table
        return
    with raw.seekable(file, "parquet is read from its end") as handle:
        yield pq.ParquetFile(handle)


def is_binary(kind: pa.DataType) -> bool:
    """Whether a column holds bytes, such as images."""
    if pa.types.is_dictionary(kind):
        return is_binary(kind.value_type)
    tests = ("is_binary", "is_large_binary", "is_fixed_size_binary", "is_binary_view")
    return any(getattr(pa.types, test)(kind) for test in tests)


@contextlib.contextmanager
def _explained(file: SourceFile) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise DataError(f"{file.name} vanished while it was read", got=str(file.path)) from None
    except UnicodeDecodeError as error:
        raise DataError(f"{file.name} has a string that is not UTF-8", got=str(error)) from None
    except pa.ArrowException as error:
        raise _broken(file, str(error)) from None
    except OSError as error:
        if error.errno is None:  # parquet's own errors come as OSError too
            raise _broken(file, str(error)) from None
        raise unreadable(file.path, error) from None


def _broken(file: SourceFile, reason: str) -> DataError:
    return DataError(
        f"{file.name} is not a complete parquet file",
        got=reason.split("\n")[0],
        expected="a parquet file with its footer",
        fix="download or write it again, or leave it out",
    )
