"""How much text of each file and document is left after the comparisons, to split it by."""

from __future__ import annotations

from typing import Any

import pyarrow.compute as pc

from danlu.data import split, tally
from danlu.data.judged import Judged
from danlu.data.work import Task, Work


def run(work: Work, task: Task) -> dict[str, Any]:
    """Bytes by file, and sums over documents: all, and those whose place is below the share."""
    judged = Judged(work, task.given["portions"])
    files: dict[str, int] = {}
    count = size = out_count = out_size = 0
    for batch in judged.batches(task.number):
        left = tally.kept(batch)
        sizes = pc.binary_length(left.column("text")).to_pylist()
        for file, length in zip(left.column("file").to_pylist(), sizes, strict=True):
            files[file] = files.get(file, 0) + length
        count, size = count + len(sizes), size + sum(sizes)
        for own_id, length in zip(left.column("id").to_pylist(), sizes, strict=True):
            if split.place(own_id) < task.given["share"]:
                out_count, out_size = out_count + 1, out_size + length
    return {"files": files, "documents": [count, size, out_count, out_size]}
