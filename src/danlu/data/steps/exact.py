"""Exact duplicates: the same text but for case and white space; the first one is kept.

A heading that repeats the document's own `name` or `title` is not compared: a docstring that stands
under forty functions is one text. Source: none needed; the hash is BLAKE2b with 128 bits, so that
two texts of a billion collide with a chance under 10⁻²⁰.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import blake2b

import pyarrow as pa

from danlu.data import rows
from danlu.data.settings import PrepareSettings

REASON = "duplicate"


def build(settings: PrepareSettings) -> Exact:
    """The step; it has no settings."""
    return Exact()


class Exact:
    """Marks documents that were seen before; remembers 16 bytes of each."""

    name, version = "exact", "1"

    def __init__(self) -> None:
        self._seen: set[bytes] = set()
        self._removed = 0

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The same rows; the second and later ones of a text are removed as `duplicate`."""
        for batch in batches:
            columns = (batch.column(name).to_pylist() for name in ("text", "meta", "removed"))
            after = [
                old or self._judge(text, meta) for text, meta, old in zip(*columns, strict=True)
            ]
            yield rows.with_columns(batch, removed=after)

    def stats(self) -> dict[str, int]:
        """Documents removed."""
        return {"removed": self._removed}

    def _judge(self, text: str, meta: str) -> str | None:
        key = digest(text, meta)
        if key in self._seen:
            self._removed += 1
            return REASON
        self._seen.add(key)
        return None


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
    known = json.loads(meta)
    return str(known.get("name") or known.get("title") or "")
