"""Arrow's interchange format, as a stream or a file; the `datasets` library caches in it.

A file is a stream between a mark and a table of contents (Arrow columnar format, "IPC File
Format"), so both are read as streams: forwards, batch by batch. Binary columns are not converted.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.ipc

from danlu.data import records, stream
from danlu.data.inputs import SourceFile
from danlu.data.sources.parquet import is_binary
from danlu.errors import DataError
from danlu.types import Document

SUFFIXES = (".arrow", ".feather")

MAGIC = b"ARROW1"
CONTINUES = b"\xff\xff\xff\xff"
"""What stands before every message since version 0.15; the end mark has no length after it."""
BATCH_ROWS = 512


def read(file: SourceFile) -> Iterator[Document]:
    """One document a row; position in the file: the row's number, from 1, in the id.

    Raises:
        DataError: as `raw.pieces`, the file is truncated or not Arrow's, or as `records.documents`.
    """
    file.notes["encoding"] = "UTF-8"
    return records.documents(_rows(file), file)


def recognises(head: bytes, name: str) -> bool:
    """Whether a file is one of Arrow's; a stream has no mark, and is known by its suffix."""
    is_stream = head.startswith(CONTINUES) and name.lower().endswith(SUFFIXES)
    return head.startswith(MAGIC) or is_stream


def _rows(file: SourceFile) -> Iterator[tuple[int, dict[str, Any]]]:
    source, number = stream.Unpacked(file), 0
    with _explained(file):
        is_file = source.peek(8).startswith(MAGIC)
        if is_file:
            source.read(8)
        end = (CONTINUES if source.peek(4) == CONTINUES else b"") + bytes(4)
        reader = pa.ipc.open_stream(source)
        for batch in reader:
            names = [field.name for field in batch.schema if not is_binary(field.type)]
            rows = batch.select(names)
            for start in range(0, batch.num_rows, BATCH_ROWS):
                for row in rows.slice(start, BATCH_ROWS).to_pylist():
                    number += 1
                    yield number, row
        if not source.tail.endswith(end):
            raise _broken(file, "it ends without its end mark")
        if is_file and not _last(source).endswith(MAGIC):
            raise _broken(file, "it ends without its table of contents")


def _last(source: stream.Unpacked) -> bytes:
    """The file's last bytes, after reading to its end."""
    while source.read(1 << 20):
        pass
    return source.tail


@contextlib.contextmanager
def _explained(file: SourceFile) -> Iterator[None]:
    try:
        yield
    except DataError:
        raise
    except UnicodeDecodeError as error:
        raise DataError(f"{file.name} has a string that is not UTF-8", got=str(error)) from None
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _broken(file, str(error)) from None


def _broken(file: SourceFile, reason: str) -> DataError:
    return DataError(
        f"{file.name} is not a complete Arrow file",
        got=reason.split("\n")[0],
        expected="an Arrow IPC stream or file with its end mark",
        fix="write it again, or leave it out",
    )
