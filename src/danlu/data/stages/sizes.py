"""How much text of each file and document is left after the comparisons, to split it by."""

from __future__ import annotations

from typing import Any

import pyarrow.compute as pc

from danlu.data import tally
from danlu.data.judged import Judged
from danlu.data.work import Task, Work


def run(work: Work, task: Task) -> dict[str, Any]:
    """Bytes by file, and sums over documents: all, and those whose place is below the share."""
    judged = Judged(work, task.given["portions"])
    files: dict[str, int] = {}
    count = size = out_count = out_size = 0
    places, at = judged.places(task.number), 0
    for batch in judged.batches(task.number):
        left = tally.kept(batch)
        stays = pc.is_null(batch.column("removed")).to_numpy(zero_copy_only=False)
        sizes = pc.binary_length(left.column("text")).to_numpy(zero_copy_only=False)
        for file, length in zip(left.column("file").to_pylist(), sizes.tolist(), strict=True):
            files[file] = files.get(file, 0) + length
        out = places[at : at + batch.num_rows][stays] < task.given["share"]
        count, size = count + len(sizes), size + int(sizes.sum())
        out_count, out_size = out_count + int(out.sum()), out_size + int(sizes[out].sum())
        at += batch.num_rows
    return {"files": files, "documents": [count, size, out_count, out_size]}
