"""The passages of the documents that are held out."""

from __future__ import annotations

from typing import Any

import pyarrow.compute as pc

from danlu.data import contamination, keys, tally
from danlu.data.judged import Judged
from danlu.data.split import Split
from danlu.data.work import Task, Work


def run(work: Work, task: Task) -> dict[str, Any]:
    """How many there are; their hashes [M], sorted, are in the `.npy` file."""
    judged = Judged(work, task.given["portions"])
    decided = Split.from_json(task.given["split"])
    settings = work.settings.contamination
    texts = []
    for batch in judged.batches(task.number):
        left = tally.kept(batch)
        columns = (left.column(name).to_pylist() for name in ("id", "file"))
        out = [decided.of(*where) == "held_out" for where in zip(*columns, strict=True)]
        if any(out):
            texts.append(left.column("text").filter(pc.equal(out, True)))
    found = contamination.collected(texts, settings)
    keys.write(work.disk, work.path(task, "npy"), found)
    return {"passages": len(found)}
