"""The passages of the documents that are held out."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from danlu.data import contamination, keys
from danlu.data.judged import Judged
from danlu.data.split import Split
from danlu.data.work import Task, Work


def run(work: Work, task: Task) -> dict[str, Any]:
    """How many there are; their hashes [M], sorted, are in the `.npy` file."""
    judged = Judged(work, task.given["portions"])
    decided = Split.from_json(task.given["split"])
    settings = work.settings.contamination
    places, at = judged.places(task.number), 0
    texts = []
    for batch in judged.batches(task.number):
        mine = places[at : at + batch.num_rows]
        out = decided.out(batch.column("id"), batch.column("file"), mine)
        out &= pc.is_null(batch.column("removed")).to_numpy(zero_copy_only=False)
        texts.append(batch.column("text").filter(pa.array(out)))
        at += batch.num_rows
    found = contamination.collected(texts, settings)
    keys.write(work.disk, work.path(task, "npy"), found)
    return {"passages": len(found)}
