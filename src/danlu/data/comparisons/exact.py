"""Exact duplicates: the same text but for case and white space; the first one read is kept.

A heading that repeats the document's own `name` or `title` is not compared: a docstring that stands
under forty functions is one text. The hash is BLAKE2b with 128 bits, so that two texts of a billion
collide with a chance under 10⁻²⁰.
"""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
import orjson
import pyarrow as pa

from danlu.data import keys
from danlu.data.settings import PrepareSettings
from danlu.data.work import Task, Work

REASON = "duplicate"


def build(settings: PrepareSettings) -> Exact:
    """The comparison; it has no settings."""
    return Exact()


class Exact:
    """Collects the hashes of a portion's documents."""

    name, version = "exact", "2"

    def __init__(self) -> None:
        self._digests: list[bytes] = []
        self._rows: list[int] = []

    def collect(self, batch: pa.RecordBatch, at: int) -> None:
        """Take the rows that are not removed; the first one has the number `at`."""
        columns = (batch.column(name).to_pylist() for name in ("text", "meta", "removed"))
        for row, (text, meta, removed) in enumerate(zip(*columns, strict=True), at):
            if removed is None:
                self._digests.append(digest(text, meta))
                self._rows.append(row)

    def save(self, work: Work, task: Task, count: int) -> None:
        """Write the first halves of the hashes, sorted, and the other halves by row."""
        halves = np.frombuffer(b"".join(self._digests), "<u8").reshape(-1, 2)
        rest = np.zeros(count, np.uint64)
        rest[self._rows] = halves[:, 1]
        packed = keys.pack(np.ascontiguousarray(halves[:, :1].T), np.array(self._rows))
        keys.write(work.disk, work.path(task, "exact.npy"), packed)
        keys.write(work.disk, work.path(task, "rest.npy"), rest)


def digest(text: str, meta: str = "{}") -> bytes:
    r"""The hash of what is compared.

    >>> digest("Close  the File.") == digest("close the file.\n") != digest("Close it.")
    True
    >>> digest("f.close()\n\nClose it.", '{"name": "f.close"}') == digest("Close it.")
    True
    """
    head, _, body = text.partition("\n")
    if body and (heading := _heading(meta)) and head.startswith(heading):
        text = body
    return blake2b(" ".join(text.casefold().split()).encode(), digest_size=16).digest()


def _heading(meta: str) -> str:
    if '"name"' not in meta and '"title"' not in meta:
        return ""
    known = orjson.loads(meta)
    return str(known.get("name") or known.get("title") or "")
