"""How often words stand near each other: the sparse table that GloVe is fitted to.

Two words at distance i ≤ window in one document add 1/i to their cell (Pennington et al. 2014,
§4.2). The table is symmetric, so only cells with row ≤ column are kept.

Cells are gathered in sorted runs; runs of like size are merged (as in a log-structured merge
tree), so that each is touched O(log N) times. All is in memory: 12 bytes a cell, twice that while
the largest runs are merged, and COUNTED words at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from danlu.embeddings.words import F32, I64, Ids, Words

COUNTED = 1_000_000
"""Positions that are counted at once: about 200 MB with a window of 10."""


@dataclass(frozen=True, slots=True)
class Cooccurrence:
    """The cells that are not zero, in order of row and column; X of them."""

    rows: Ids
    """[X]"""
    columns: Ids
    """[X] never below the row."""
    weights: F32
    """[X] a cell of the symmetric table; a word beside itself counts from both sides."""

    @property
    def cells(self) -> int:
        """Cells of the whole, symmetric table."""
        return 2 * len(self.rows) - int((self.rows == self.columns).sum())


def count(words: Words, *, window: int) -> Cooccurrence:
    """The co-occurrences of a text.

    >>> from danlu.embeddings.words import read
    >>> made = count(read(["a b a", "b"], str.split, min_count=1), window=2)
    >>> list(zip(made.rows.tolist(), made.columns.tolist(), made.weights.tolist()))
    [(0, 0, 1.0), (0, 1, 2.0)]
    """
    runs: list[tuple[I64, F32]] = []
    for run in _chunks(words, window):
        runs.append(run)
        while len(runs) > 1 and len(runs[-2][0]) < 2 * len(runs[-1][0]):
            last = runs.pop()
            runs.append(_merged([runs.pop(), last]))
    keys, weights = _merged(runs)
    rows, columns = np.divmod(keys, len(words.counts))
    weights[rows == columns] *= 2
    return Cooccurrence(rows.astype(np.int32), columns.astype(np.int32), weights)


def _chunks(words: Words, window: int) -> Iterator[tuple[I64, F32]]:
    """Sorted cells, as row · V + column, of COUNTED positions at a time."""
    size, vocabulary = len(words.ids), len(words.counts)
    ends = np.repeat(words.starts[1:], np.diff(words.starts))
    for at in range(0, size, COUNTED):
        stop = min(at + COUNTED, size)
        keys, weights = [], []
        for distance in range(1, window + 1):
            place = np.arange(at, stop)
            place = place[place + distance < ends[at:stop]]
            one = words.ids[place].astype(np.int64)
            other = words.ids[place + distance].astype(np.int64)
            keys.append(np.minimum(one, other) * vocabulary + np.maximum(one, other))
            weights.append(np.full(len(place), 1 / distance, np.float32))
        yield _merged(list(zip(keys, weights, strict=True)))


def _merged(runs: list[tuple[I64, F32]]) -> tuple[I64, F32]:
    """Cells of several runs in order, those of one key added up."""
    keys = np.concatenate([run[0] for run in runs]) if runs else np.zeros(0, np.int64)
    weights = np.concatenate([run[1] for run in runs]) if runs else np.zeros(0, np.float32)
    order = np.argsort(keys, kind="stable")
    keys, weights = keys[order], weights[order]
    first = np.flatnonzero(np.diff(keys, prepend=-1))
    if not len(first):
        return keys, weights
    return keys[first], np.add.reduceat(weights, first, dtype=np.float64).astype(np.float32)
