"""The rows of a portion after the comparisons: duplicates marked, repeated lines taken out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa

from danlu.data import keys, rows
from danlu.data.comparisons import exact, lines, near
from danlu.data.spool import Spool
from danlu.data.work import Work

REASONS = {exact.REASON: "exact", near.REASON: "near", lines.REASON: "lines"}
"""Why comparisons remove documents, and which one it is."""


class Judged:
    """Applies the verdicts, which are files in the work folder, to rows as they were cleaned."""

    def __init__(self, work: Work, portions: int) -> None:
        self.work = work
        self.settings = work.settings
        self.spool = Spool(work, portions)
        self.verdicts = {
            name: keys.load(work.folder / "verdicts" / f"{name}.npy")
            for name in work.plan["comparisons"]
        }
        self.similarities = (
            keys.load(work.folder / "verdicts" / "similarity.npy")
            if "near" in self.verdicts
            else np.zeros(0)
        )

    def places(self, portion: int) -> npt.NDArray[np.float64]:
        """[rows] by which documents of a portion are held out: `split.place` of their ids."""
        return np.asarray(keys.load(self.work.place("clean", portion, "places.npy")))

    def batches(self, portion: int) -> Iterator[pa.RecordBatch]:
        """The rows of a portion in order; those that repeat others are removed with a reason.

        Their `meta` says which document is kept for them, and how similar it is.
        """
        at = 0
        for batch in self.spool.batches(portion):
            batch = self._duplicates(batch, portion, at)
            if "lines" in self.verdicts:
                batch = self._without_lines(batch, portion, at)
            yield batch
            at += batch.num_rows

    def _duplicates(self, batch: pa.RecordBatch, portion: int, at: int) -> pa.RecordBatch:
        marks: dict[int, tuple[str, int, float]] = {}
        for name, reason in (("exact", exact.REASON), ("near", near.REASON)):
            if name in self.verdicts:
                for row, kept, value in self._of(name, portion, at, batch.num_rows):
                    marks[row] = reason, kept, value
        if not marks:
            return batch
        removed, meta = batch.column("removed").to_pylist(), batch.column("meta").to_pylist()
        twins = np.unique(np.array([twin for _, twin, _ in marks.values()], np.uint64))
        ids = dict(zip(twins.tolist(), self.spool.column("id", twins).to_pylist(), strict=True))
        for row, (reason, twin, value) in marks.items():
            removed[row] = reason
            said = {"duplicate_of": ids[twin]}
            if reason == near.REASON:
                said["similarity"] = round(value, 4)
            meta[row] = rows.meta_json(orjson.loads(meta[row]) | said)
        return rows.with_columns(batch, removed=removed, meta=meta)

    def _of(self, name: str, portion: int, at: int, count: int) -> Iterator[tuple[int, int, float]]:
        """The verdicts on some rows: row in the batch, the kept document, their similarity."""
        documents, kept = self.verdicts[name]
        bounds = keys.number(portion, [at, at + count])
        start, end = np.searchsorted(documents, bounds).tolist()
        for i in range(start, end):
            row = int(documents[i] - bounds[0])
            yield row, int(kept[i]), float(self.similarities[i]) if name == "near" else 1.0

    def _without_lines(self, batch: pa.RecordBatch, portion: int, at: int) -> pa.RecordBatch:
        repeated, owners = (np.asarray(part) for part in self.verdicts["lines"])
        numbers = keys.number(portion, np.arange(at, at + batch.num_rows))
        texts: list[Any] = batch.column("text").to_pylist()
        removed = batch.column("removed").to_pylist()
        after = lines.without(
            batch.column("text"), self.settings.duplicates, repeated, owners, numbers
        )
        changed = False
        for row, text in enumerate(after):
            if text is None or removed[row] is not None:
                continue
            changed = True
            if text.strip():
                texts[row] = text
            else:
                removed[row] = lines.REASON
        return rows.with_columns(batch, text=texts, removed=removed) if changed else batch
