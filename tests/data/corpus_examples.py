"""Small corpora written directly, part by part, with a manifest as `prepare` writes it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from danlu import files
from danlu.data import rows
from danlu.data.corpus import FORMAT, MANIFEST, PARTS, Corpus
from danlu.data.parts import Parts
from danlu.data.tally import EDGES, Amount, histogram

Row = tuple[str, str, str, str | None]
"""Id, text, file, why it was removed."""


def rows_of(some: Sequence[Row]) -> pa.RecordBatch:
    """A batch of the schema as it is now: columns that are not given are empty."""
    columns = {
        "id": [r[0] for r in some],
        "text": [r[1] for r in some],
        "file": [r[2] for r in some],
        "meta": ["{}" for _ in some],
        "removed": [r[3] for r in some],
    }
    arrays = [pa.array(columns.get(f.name, ["en"] * len(some)), f.type) for f in rows.SCHEMA]
    return pa.record_batch(arrays, schema=rows.SCHEMA)


def write(
    folder: Path,
    *,
    train: Iterable[tuple[str, str]] = (),
    held_out: Iterable[tuple[str, str]] = (),
    removed: Iterable[tuple[str, str, str]] = (),
    **more: Any,
) -> Corpus:
    """A corpus; a document's file is what stands before the # of its id."""
    folder.mkdir(parents=True, exist_ok=True)
    given = {"train": train, "held_out": held_out, "removed": removed}
    record: dict[str, Any] = {}
    counts: dict[str, Any] = {}
    reasons: dict[str, Amount] = {}
    lengths = [0] * len(EDGES)
    for part in PARTS:
        some = [(r[0], r[1], r[0].split("#")[0], (*r, None)[2]) for r in given[part]]
        batch, writer, amount = rows_of(some), Parts(folder, part, files.Disk()), Amount()
        amount.add(batch.column("text"))
        writer.add(batch)
        record |= writer.close()
        counts[part] = amount.as_json()
        if part != "removed":
            lengths = [a + int(b) for a, b in zip(lengths, histogram(batch["text"]), strict=True)]
        for row in some:
            if row[3]:
                reasons.setdefault(row[3], Amount()).add(pa.array([row[1]]))
    kept = {k: counts["train"][k] + counts["held_out"][k] for k in counts["train"]}
    gone = counts.pop("removed")
    read = {key: kept[key] + gone[key] for key in kept}
    table = {why: {**a.as_json(), "examples": []} for why, a in reasons.items()}
    manifest = {
        "format": FORMAT,
        "kind": "corpus",
        "danlu": "0",
        "recipe": {"steps": ["exact 1"], "source": "files"},
        "sources": [],
        "skipped": {},
        "counts": {"read": read, "kept": kept, **counts},
        "steps": [{"name": "exact", "version": "1", "changed": 0, "removed": table}],
        "removed": {why: dict(entry) for why, entry in table.items()},
        "changed": 0,
        "han_share": 0.0,
        "lengths": {"unit": "bytes", "edges": EDGES, "before": lengths, "after": lengths},
        "split_by": "document",
        "files": record,
        **more,
    }
    files.write_json(folder / MANIFEST, manifest)
    return Corpus.open(folder)
