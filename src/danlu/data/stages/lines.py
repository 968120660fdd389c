"""Lines of all portions that stand in many documents, and the document that keeps each."""

from __future__ import annotations

from typing import Any

import numpy as np

from danlu.data import keys
from danlu.data.work import Task, Work


def run(work: Work, task: Task) -> dict[str, Any]:
    """How many there are; [2, M] (hash, the first document with it), sorted, is in the file."""
    paths = [work.place("clean", p, "lines.npy") for p in range(task.given["portions"])]
    hashes, documents = keys.together(paths, *task.given["range"])
    copies = work.settings.duplicates.line_copies
    found = [
        (hashes[start], documents[start:end].min())
        for start, end in keys.groups(hashes)
        if end - start >= copies
    ]
    keys.write(work.disk, work.path(task, "npy"), np.array(found, np.uint64).reshape(-1, 2).T)
    return {"lines": len(found)}
