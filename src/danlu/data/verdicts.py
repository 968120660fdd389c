"""Which documents go because of others: decided once all comparisons are made."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from danlu.data import keys

LARGEST = 10


def near(
    pairs: keys.U64,
    similarities: npt.NDArray[np.float64],
    sizes: npt.NDArray[np.int64],
    keep: Literal["first", "longest"],
) -> tuple[keys.U64, npt.NDArray[np.float64]]:
    """[2, M] (document that goes, the one that is kept), by document, and how similar they are.

    Documents are looked at in the order of preference: the first read, or the one with the most
    shingles (of equals the first read). One goes if it is a near-duplicate of one that is kept.

    Args:
        pairs: [2, P] verified pairs (earlier, later).
        similarities: [P] their Jaccard similarities.
        sizes: [2, P] shingles of each document.
        keep: which one is preferred.

    >>> chain = np.array([[1, 2], [2, 3]], np.uint64)  # 1 ~ 2 ~ 3, but not 1 ~ 3
    >>> near(chain, np.array([0.9, 0.8]), np.array([[9, 9], [9, 9]]), "first")[0].tolist()
    [[2], [1]]
    """
    documents, ends = np.unique(pairs, return_inverse=True)
    ends = ends.reshape(pairs.shape)
    size = np.zeros(len(documents), np.int64)
    size[ends.ravel()] = sizes.ravel()
    by_preference = np.lexsort((documents, -size)) if keep == "longest" else np.arange(len(size))
    rank = np.empty(len(size), np.int64)
    rank[by_preference] = np.arange(len(size))

    both, values = np.concatenate([ends, ends[::-1]], axis=1), np.tile(similarities, 2)
    order = np.lexsort((rank[both[1]], -values, both[0]))  # of each: the most similar one first
    other, values = both[1][order], values[order]
    first = np.searchsorted(both[0][order], np.arange(len(size) + 1))

    twin = np.full(len(size), -1, np.int64)
    alike = np.zeros(len(size))
    for document in by_preference.tolist():
        mine = slice(first[document], first[document + 1])
        kept = np.flatnonzero((rank[other[mine]] < rank[document]) & (twin[other[mine]] < 0))
        if len(kept):
            twin[document] = other[mine][kept[0]]
            alike[document] = values[mine][kept[0]]
    gone = np.flatnonzero(twin >= 0)
    return np.stack([documents[gone], documents[twin[gone]]]), alike[gone]


def clusters(found: keys.U64) -> dict[str, Any]:
    """How many documents are kept for several, and how many clusters there are of each size.

    >>> clusters(np.array([[2, 3, 9], [1, 1, 4]], np.uint64))
    {'documents': 3, 'clusters': 2, 'sizes': {'2': 1, '3': 1}}
    """
    _, counts = np.unique(found[1], return_counts=True)
    sizes, times = np.unique(counts + 1, return_counts=True)
    return {
        "documents": found.shape[1],
        "clusters": len(counts),
        "sizes": dict(zip(map(str, sizes.tolist()), times.tolist(), strict=True)),
    }


def largest(found: keys.U64, count: int = LARGEST) -> list[tuple[int, list[int]]]:
    """The largest clusters: the kept document and the first few that went for it.

    >>> largest(np.array([[2, 3, 9], [1, 1, 4]], np.uint64), 1)
    [(1, [2, 3])]
    """
    order = np.lexsort((found[0], found[1]))
    kept, starts, counts = np.unique(found[1][order], return_index=True, return_counts=True)
    top = np.lexsort((kept, -counts))[:count]
    return [
        (int(kept[i]), found[0][order][starts[i] : starts[i] + min(counts[i], LARGEST)].tolist())
        for i in top.tolist()
    ]
