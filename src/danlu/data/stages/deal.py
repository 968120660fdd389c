"""The last stage: the rows of a portion into the files of the corpus."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from danlu.data import contamination, keys, parts, rows, split, tally, units
from danlu.data.judged import Judged
from danlu.data.work import Task, Work

PARTS = (*split.NAMES, "removed")
IN_HELD_OUT = "contaminated: held-out text"

SURVIVORS = 20
"""Documents shown at random."""


def run(work: Work, task: Task) -> dict[str, Any]:
    """The files with their hashes, and the account of what is in them."""
    dealer = _Dealer(work, task)
    held: dict[str, list[pa.RecordBatch]] = {name: [] for name in PARTS}
    result = tally.Result()
    shown: list[tuple[float, dict[str, Any]]] = []
    sample: list[pa.RecordBatch] = []
    at = 0
    for batch in dealer.judged.batches(task.number):
        batch, where = dealer.deal(batch, at)
        at += batch.num_rows
        ids = batch.column("id").to_pylist()
        places = np.array([zlib.crc32(own_id.encode()) / 2**32 for own_id in ids])
        sample.append(batch.filter(pa.array(places < task.given["sample"])))
        han = units.han_counts(batch.column("text"))
        for name in PARTS:
            some = batch.filter(pa.array(where == name))
            if some.num_rows:
                held[name].append(some)
                result.add(name, some, int(han[where == name].sum()))
        shown = _shown(shown, batch, places, where == "removed")
    records = {}
    for name, batches in held.items():
        if batches or not task.number:
            file = f"{name}-{task.number:05}.parquet"
            records[file] = parts.write(work.corpus / file, batches, work.disk)
    _write_sample(work, task, sample)
    return {"files": records, "shown": shown, **result.as_json()}


class _Dealer:
    """Says which part each row belongs to."""

    def __init__(self, work: Work, task: Task) -> None:
        self.judged = Judged(work, task.given["portions"])
        self.split = split.Split.from_json(task.given["split"])
        self.settings = work.settings.contamination
        self.places = self.judged.places(task.number)
        known = keys.load(work.folder / "verdicts" / "held_out.npy")
        self.known = contamination.Known.of(np.asarray(known)) if len(known) else None

    def deal(self, batch: pa.RecordBatch, at: int) -> tuple[pa.RecordBatch, Any]:
        """The rows from number `at` on, some of them removed now, and [N] their parts."""
        places = self.places[at : at + batch.num_rows]
        out = self.split.out(batch.column("id"), batch.column("file"), places)
        stays = pc.is_null(batch.column("removed")).to_numpy(zero_copy_only=False)
        where = np.where(stays, np.where(out, "held_out", "train"), "removed")
        if self.known is None:
            return batch, where
        shares = self.known.shares(batch.column("text"), self.settings)
        leaks = (where == "train") & (shares > self.settings.held_out)
        if not leaks.any():
            return batch, where
        removed = batch.column("removed").to_pylist()
        for row in leaks.nonzero()[0].tolist():
            removed[row] = IN_HELD_OUT
        where[leaks] = "removed"
        return rows.with_columns(batch, removed=removed), where


def _shown(
    before: list[tuple[float, dict[str, Any]]], batch: pa.RecordBatch, places: Any, gone: Any
) -> list[tuple[float, dict[str, Any]]]:
    """The documents with the lowest places among those before and the kept ones of a batch."""
    places = np.where(gone, 2.0, places)
    found = list(before)
    for row in np.argsort(places, kind="stable")[:SURVIVORS].tolist():
        if places[row] < 1:
            one = batch.slice(row, 1)
            known = {name: one.column(name)[0].as_py() for name in ("id", "file")}
            if "lang" in one.schema.names:
                known["lang"] = one.column("lang")[0].as_py()
            text = one.column("text")[0].as_py()[: 2 * tally.EXAMPLE_CHARS]
            found.append((float(places[row]), {**known, "text": text}))
    return sorted(found, key=lambda each: (each[0], each[1]["id"]))[:SURVIVORS]


def _write_sample(work: Work, task: Task, sample: list[pa.RecordBatch]) -> None:
    """Rows chosen by chance, removed ones too, to measure diversity with."""
    some = [batch for batch in sample if batch.num_rows]
    work.disk.unlink(work.place(task.stage, task.number, "parquet"))
    work.disk.mkdir(work.folder / task.stage)
    parts.write(work.place(task.stage, task.number, "parquet"), some, work.disk)
