"""Pairs of documents that share a band of their MinHash signatures: candidates, not duplicates."""

from __future__ import annotations

from typing import Any

import numpy as np

from danlu.data import keys
from danlu.data.work import Task, Work

NEIGHBOURS = 48
"""A document is paired with that many before it in a bucket, and with the first ones of it: in a
giant bucket, all pairs would be a billion."""


def run(work: Work, task: Task) -> dict[str, Any]:
    """How many there are; [2, M] (earlier, later), sorted, is in the `.npy` file."""
    paths = [work.place("clean", p, "bands.npy") for p in range(task.given["portions"])]
    drop = keys.load(work.folder / "verdicts" / "exact.npy")[0]
    band_keys, documents = keys.together(paths, *task.given["range"], drop=drop)
    found, giants = pairs(band_keys, documents)
    keys.write(work.disk, work.path(task, "npy"), found)
    return {"pairs": found.shape[1], "giants": giants}


def pairs(
    band_keys: keys.U64, documents: keys.U64, neighbours: int = NEIGHBOURS
) -> tuple[keys.U64, int]:
    """Pairs within buckets of equal keys, sorted, and how many buckets were too large for all.

    >>> found, giants = pairs(*np.array([[7, 7, 7, 8], [1, 4, 5, 6]], np.uint64))
    >>> found.T.tolist(), giants
    ([[1, 4], [1, 5], [4, 5]], 0)
    """
    earlier, later = [], []
    for distance in range(1, neighbours + 1):
        same = band_keys[distance:] == band_keys[:-distance]
        if not same.any():
            break
        earlier.append(documents[:-distance][same])
        later.append(documents[distance:][same])
    giants = 0
    for start, end in keys.groups(band_keys):
        if end - start > neighbours + 1:
            giants += 1
            for leader in range(start, start + neighbours):
                others = documents[max(leader + neighbours, start) + 1 : end]
                earlier.append(np.repeat(documents[leader], len(others)))
                later.append(others)
    if not earlier:
        return np.zeros((2, 0), np.uint64), giants
    return sorted_pairs(np.stack([np.concatenate(earlier), np.concatenate(later)])), giants


def sorted_pairs(found: keys.U64) -> keys.U64:
    """Pairs [2, M] in the order of their first and then second documents, each once."""
    order = np.lexsort((found[1], found[0]))
    found = found[:, order]
    new = np.ones(found.shape[1], np.bool_)
    new[1:] = (found[:, 1:] != found[:, :-1]).any(axis=0)
    return np.asarray(found[:, new])
