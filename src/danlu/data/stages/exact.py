"""Documents of all portions with the same hash: which of them go, and which one each repeats."""

from __future__ import annotations

from typing import Any

import numpy as np

from danlu.data import keys
from danlu.data.work import Task, Work


def run(work: Work, task: Task) -> dict[str, Any]:
    """How many there are; [2, M] (document, the first of its kind) is in the `.npy` file."""
    paths = [work.place("clean", p, "exact.npy") for p in range(task.given["portions"])]
    first, of = keys.together(paths, *task.given["range"])
    rest = np.zeros(len(of), np.uint64)
    portion = (of >> np.uint64(32)).astype(np.int64)
    for p in np.unique(portion).tolist():
        mine = portion == p
        halves = keys.load(work.place("clean", p, "rest.npy"))
        rest[mine] = halves[(of[mine] & np.uint64(0xFFFFFFFF)).astype(np.int64)]
    order = np.lexsort((of, rest, first))
    first, rest, of = first[order], rest[order], of[order]
    new = np.ones(len(of), np.bool_)
    new[1:] = (first[1:] != first[:-1]) | (rest[1:] != rest[:-1])
    leader = of[np.flatnonzero(new)][np.cumsum(new) - 1] if len(of) else of
    found = np.stack([of[~new], leader[~new]])
    found = found[:, np.argsort(found[0])]
    keys.write(work.disk, work.path(task, "npy"), found)
    return {"documents": found.shape[1]}
