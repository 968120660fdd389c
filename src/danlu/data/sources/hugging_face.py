"""Data sets of the Hugging Face hub, streamed: nothing is stored but the corpus that is made.

Documents are read shard by shard, in the order of the repository's files, each named after its
shard: `hf:owner/name/config/data/train-00000-of-00002.parquet#0001`. Each carries the data set's
licence in its meta, unless the row has one of its own. What names mean: `danlu.data.hub`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pyarrow as pa

from danlu.data import hub, records
from danlu.data.inputs import SourceFile
from danlu.types import Document

SUFFIXES = ()
"""No file on disk is read by this: a data set is given by its name."""


def read(file: SourceFile) -> Iterator[Document]:
    """One document a row.

    Raises:
        DataError: as `hub.find`; the connection is lost, a file of the data set is damaged, or as
            `records.documents`.
    """
    found = hub.find(hub.parse(file.path.as_posix()), commit=file.version)
    file.notes.update(
        encoding="UTF-8",
        commit=found.commit,
        config=found.name.config,
        split=found.name.split,
        licence=found.licence or "not stated",
        read_bytes=0,
    )
    shards = hub.shards(found)
    start = str(replace(found.name, split=""))
    for number, rows in enumerate(shards):
        named = len(found.files) == len(shards)
        name = f"{start}/{found.files[number]}" if named else file.name
        field = file.text_field or file.notes.get("field", "")
        shard = replace(file, name=name, text_field=field, notes=file.notes)
        for document in records.documents(_numbered(rows), shard):
            yield replace(document, meta=_with_licence(document.meta, found.licence))
        file.notes["read_bytes"] = file.bytes * (number + 1) // len(shards)


def _numbered(batches: Iterator[pa.Table]) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows of a shard, numbered from 1, without columns of bytes."""
    number = 0
    for batch in batches:
        names = [field.name for field in batch.schema if not _is_binary(field.type)]
        for row in batch.select(names).to_pylist():
            number += 1
            yield number, row


def _is_binary(kind: pa.DataType) -> bool:
    """Whether a column holds bytes, or images and sounds, which are bytes with a path."""
    if pa.types.is_struct(kind):
        return any(_is_binary(kind.field(i).type) for i in range(kind.num_fields))
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _with_licence(meta: dict[str, Any], licence: str) -> dict[str, Any]:
    """The row's own licence first, then the data set's.

    >>> _with_licence({"license": "mit"}, "other"), _with_licence({}, "cc0-1.0")
    ({'license': 'mit', 'licence': 'mit'}, {'licence': 'cc0-1.0'})
    """
    own = meta.get("licence") or meta.get("license") or licence
    return {**meta, "licence": own} if own else meta
