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
    size_of = dict(zip(pairs.ravel().tolist(), sizes.ravel().tolist(), strict=True))
    neighbours: dict[int, list[tuple[int, float]]] = {}
    for a, b, value in zip(*pairs.tolist(), similarities.tolist(), strict=True):
        neighbours.setdefault(a, []).append((b, value))
        neighbours.setdefault(b, []).append((a, value))

    def preference(document: int) -> tuple[int, int]:
        return (-size_of[document] if keep == "longest" else 0, document)

    twin: dict[int, tuple[int, float]] = {}
    kept: set[int] = set()
    for document in sorted(neighbours, key=preference):
        alike = [(other, value) for other, value in neighbours[document] if other in kept]
        if alike:
            twin[document] = min(alike, key=lambda one: (-one[1], preference(one[0])))
        else:
            kept.add(document)
    gone = sorted(twin)
    found = np.array([gone, [twin[document][0] for document in gone]], np.uint64).reshape(2, -1)
    return found, np.array([twin[document][1] for document in gone])


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
