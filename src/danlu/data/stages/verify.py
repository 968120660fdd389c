"""Candidates whose earlier document is in one portion, verified by their exact similarity."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from danlu.data import keys, minhash, units
from danlu.data.spool import Spool
from danlu.data.stages.bands import sorted_pairs
from danlu.data.work import Task, Work

MARGIN = 0.16
"""How far below the threshold the estimate from signatures may be: 4.4 standard errors at 0.8."""
PAIRS = 512
"""Pairs whose texts are in memory at a time."""


def run(work: Work, task: Task) -> dict[str, Any]:
    """How many there are; the files are as `verified` returns them."""
    candidates = _candidates(work, task)
    threshold = work.settings.duplicates.similarity
    spool = Spool(work, task.given["portions"])
    likely = _likely(spool, candidates, threshold - MARGIN)
    found, similarities, sizes = verified(spool, likely, threshold)
    keys.write(work.disk, work.path(task, "npy"), found)
    keys.write(work.disk, work.path(task, "similarity.npy"), similarities)
    keys.write(work.disk, work.path(task, "sizes.npy"), sizes)
    return {"candidates": candidates.shape[1], "likely": likely.shape[1], "pairs": found.shape[1]}


def verified(
    spool: Spool, pairs: keys.U64, threshold: float
) -> tuple[keys.U64, npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """[2, M] pairs that reach the threshold, their [M] similarities and [2, M] numbers of shingles.

    Only documents of one chunk of pairs are in memory.
    """
    kept, similarities, sizes = [pairs[:, :0]], [np.zeros(0)], [np.zeros((2, 0), np.int64)]
    for at in range(0, pairs.shape[1], PAIRS):
        chunk = pairs[:, at : at + PAIRS]
        documents, place = np.unique(chunk, return_inverse=True)
        place = place.reshape(chunk.shape)
        sets = shingle_sets(spool.texts(documents))
        lengths = np.array([len(shingles) for shingles in sets])[place]
        exact = np.array([minhash.jaccard(sets[a], sets[b]) for a, b in place.T])
        passing = exact >= threshold
        kept.append(chunk[:, passing])
        similarities.append(exact[passing])
        sizes.append(lengths[:, passing])
    return (
        np.concatenate(kept, axis=1),
        np.concatenate(similarities),
        np.concatenate(sizes, axis=1),
    )


def shingle_sets(texts: pa.StringArray) -> list[keys.U64]:
    """The distinct shingles of each text, sorted."""
    shingles, first = units.of(texts).grams(minhash.SHINGLE, whole=True)
    bounds = zip(first[:-1].tolist(), first[1:].tolist(), strict=True)
    return [np.unique(shingles[start:end]) for start, end in bounds]


def _candidates(work: Work, task: Task) -> keys.U64:
    """The pairs whose earlier document is in the task's portion, each once."""
    low, high = keys.number(task.number, 0), keys.number(task.number + 1, 0)
    found = [np.zeros((2, 0), np.uint64)]
    for n in range(task.given["bands"]):
        pairs = keys.load(work.place("bands", n, "npy"))
        start, end = np.searchsorted(pairs[0], [low, high]).tolist()
        found.append(np.array(pairs[:, start:end]))
    return sorted_pairs(np.concatenate(found, axis=1))


def _likely(spool: Spool, candidates: keys.U64, least: float) -> keys.U64:
    """The candidates whose signatures agree in enough places."""
    stays = [
        minhash.similarity(spool.signatures(chunk[0]), spool.signatures(chunk[1])) >= least
        for at in range(0, candidates.shape[1], PAIRS)
        for chunk in [candidates[:, at : at + PAIRS]]
    ]
    return candidates[:, np.concatenate([np.zeros(0, np.bool_), *stays])]
