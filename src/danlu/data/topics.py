"""What documents are about: clusters, the words that name them, and how even they are.

Words are weighted by TF-IDF (Salton and Buckley 1988: log(1+tf) · idf, vectors of length 1),
brought to DIMENSIONS latent ones (Deerwester et al. 1990) by a randomised SVD (Halko, Martinsson
and Tropp 2011, algorithm 4.4) and grouped by k-means with k-means++ seeding (Arthur and
Vassilvitskii 2007). Without the SVD, sparse vectors are all equally far apart, and clusters are
noise of even size.
Chinese and Japanese text has no spaces: there every two neighbouring characters are a word.

The entropy of the clusters' sizes ÷ ln k is 1 for even ones and 0 for one. k is fixed, so that two
samples compare; what clusters mean is for the reader to judge by their words.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from danlu.data import characters

K = 12
MAX_DOCUMENTS = 5_000
MAX_CHARS = 4_000
"""Characters of a document that are looked at."""
DIMENSIONS, SPARE, POWERS = 32, 16, 2
ROUNDS, STARTS = 25, 3
WORDS = 6
MIN_DOCUMENTS, MAX_SHARE = 3, 0.5
"""Words in fewer documents, or in a larger share of them, say nothing of topics."""

Floats = npt.NDArray[np.float32]
_RUN = re.compile(r"[^\W\d_]{2,}")


@dataclass(frozen=True, slots=True)
class Cluster:
    """Documents that are alike."""

    share: float
    """Share of the documents."""
    words: list[str]
    """What sets it apart, most telling first."""


@dataclass(frozen=True, slots=True)
class Topics:
    """The clusters of a sample, largest first."""

    k: int
    documents: int
    entropy: float
    """Of the clusters' sizes, ÷ ln k: from 0 to 1."""
    clusters: list[Cluster]


def topics(texts: Sequence[str], *, k: int = K, seed: int = 0) -> Topics | None:
    """The topics of the first MAX_DOCUMENTS texts; None for fewer than 2·k, or without words."""
    counts = [Counter(terms(text[:MAX_CHARS])) for text in texts[:MAX_DOCUMENTS]]
    if len(counts) < 2 * k:
        return None
    names, matrix = _weighted(counts)
    if matrix is None:
        return None
    labels = kmeans(_latent(matrix, seed), k, seed=seed)
    sizes = np.bincount(labels, minlength=k)
    portions = sizes[sizes > 0] / len(labels)
    entropy = float(-(portions * np.log(portions)).sum() / math.log(k))
    order = sorted(range(k), key=lambda c: (-sizes[c], c))
    words, total = _words(names, matrix, labels, k), len(labels)
    return Topics(
        k=k,
        documents=total,
        entropy=round(max(entropy, 0.0), 4),
        clusters=[
            Cluster(round(float(sizes[c]) / len(labels), 4), words[c]) for c in order if sizes[c]
        ],
    )


def terms(text: str) -> list[str]:
    """The words of a text that may tell its topic; pairs of characters where it has no spaces.

    >>> terms("The 2 Moons"), terms("看明月 moon")
    (['the', 'moons'], ['看明', '明月', 'moon'])
    """
    runs = _RUN.findall(text.lower())
    if text.isascii():
        return runs
    found: list[str] = []
    for run in runs:
        if run.isascii():
            found.append(run)
            continue
        for wide in characters.WIDE.findall(run):
            found += map("".join, pairwise(wide))
        found += [part for part in characters.WIDE.split(run) if len(part) > 1]
    return found


def kmeans(points: Floats, k: int, *, seed: int = 0) -> npt.NDArray[np.intp]:
    """[points] the cluster of each: the best of STARTS runs by the sum of squared distances.

    >>> labels = kmeans(np.float32([[0, 0], [0, 1], [9, 9], [9, 8]]), 2)
    >>> bool(labels[0] == labels[1] != labels[2] == labels[3])
    True
    """
    rng = np.random.default_rng(seed)
    best, lowest = np.zeros(len(points), dtype=np.intp), math.inf
    for _ in range(STARTS):
        centres = _seeds(points, k, rng)
        for _ in range(ROUNDS):
            distance = _distances(points, centres)
            labels = distance.argmin(axis=1)
            moved = np.stack(
                [points[labels == c].mean(axis=0) if (labels == c).any() else centres[c]
                 for c in range(k)]
            )  # fmt: skip
            if np.array_equal(moved, centres):
                break
            centres = moved
        cost = float(distance.min(axis=1).sum())
        if cost < lowest:
            best, lowest = labels, cost
    return best


def _seeds(points: Floats, k: int, rng: np.random.Generator) -> Floats:
    """k-means++: each next centre is a point, likelier the farther it is from those before."""
    chosen = [int(rng.integers(len(points)))]
    nearest = _distances(points, points[chosen])[:, 0]
    for _ in range(k - 1):
        weights = np.maximum(nearest, 0).astype(np.float64)
        total = weights.sum()
        p = weights / total if total > 0 else None
        chosen.append(int(rng.choice(len(points), p=p)))
        nearest = np.minimum(nearest, _distances(points, points[chosen[-1:]])[:, 0])
    return points[chosen]


def _distances(points: Floats, centres: Floats) -> Floats:
    """[points, centres] squared distances."""
    squares = (points**2).sum(axis=1)[:, None] + (centres**2).sum(axis=1)[None, :]
    found: Floats = squares - 2 * _product(points, centres.T)
    return found


@dataclass(frozen=True, slots=True)
class _Matrix:
    """A sparse matrix [documents, words]: its non-zero entries, by document."""

    shape: tuple[int, int]
    row: npt.NDArray[np.int64]
    column: npt.NDArray[np.int64]
    weight: Floats

    def times(self, dense: Floats) -> Floats:
        """[documents, n] the product with [words, n]."""
        return _sums(self.row, self.weight[:, None] * dense[self.column], self.shape[0])

    def transposed(self) -> _Matrix:
        """[words, documents]"""
        order = np.argsort(self.column, kind="stable")
        entries = self.column[order], self.row[order], self.weight[order]
        return _Matrix((self.shape[1], self.shape[0]), *entries)


def _sums(groups: npt.NDArray[np.int64], rows: Floats, count: int) -> Floats:
    """[count, n] the sums of rows by their sorted groups."""
    found = np.zeros((count, rows.shape[1]), dtype=np.float32)
    begins = np.flatnonzero(np.append(True, groups[1:] != groups[:-1]))
    found[groups[begins]] = np.add.reduceat(rows, begins, axis=0)
    return found


def _weighted(counts: Sequence[Counter[str]]) -> tuple[list[str], _Matrix | None]:
    """The words that are used, and their weights in all documents; None if no word is."""
    frequency: Counter[str] = Counter()
    for count in counts:
        frequency.update(count.keys())
    most = MAX_SHARE * len(counts)
    names = sorted(w for w, n in frequency.items() if MIN_DOCUMENTS <= n <= most)
    if not names:
        return [], None
    numbers = {word: number for number, word in enumerate(names)}
    entries = [
        (at, numbers[word], n)
        for at, count in enumerate(counts)
        for word, n in count.items()
        if word in numbers
    ]
    row, column, times = np.array(entries, dtype=np.int64).T
    idf = np.log(len(counts) / np.array([frequency[name] for name in names]))
    weight = np.log1p(times) * idf[column]
    weight /= np.sqrt(np.bincount(row, weight**2, len(counts)))[row]
    return names, _Matrix((len(counts), len(names)), row, column, weight.astype(np.float32))


def _latent(matrix: _Matrix, seed: int) -> Floats:
    """[documents, at most DIMENSIONS] the documents in latent dimensions, of length 1."""
    transposed = matrix.transposed()
    width = min(DIMENSIONS + SPARE, *matrix.shape)
    rng = np.random.default_rng(seed)
    range_ = matrix.times(rng.standard_normal((matrix.shape[1], width), dtype=np.float32))
    for _ in range(POWERS):
        range_ = matrix.times(transposed.times(_orthonormal(range_)))
    basis = _orthonormal(range_)
    small = transposed.times(basis)  # [words, width]
    values, vectors = np.linalg.eigh(_product(small.T, small))
    strongest = vectors[:, ::-1][:, :DIMENSIONS] * np.sqrt(np.maximum(values[::-1], 0))[:DIMENSIONS]
    found = _product(basis, strongest)
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    unit: Floats = found / np.maximum(lengths, 1e-6)
    return unit


def _orthonormal(columns: Floats) -> Floats:
    """An orthonormal basis of what some columns span, from the eigenvectors of their Gram matrix.

    For tall matrices it is many times faster than QR; the directions that it loses are those whose
    singular value is below 1e-6 of the largest, which say nothing here.
    """
    tall = columns.astype(np.float64)
    values, vectors = np.linalg.eigh(_product(tall.T, tall))
    real = values > 1e-12 * max(values[-1], 1e-30)
    basis: Floats = _product(tall, vectors[:, real] / np.sqrt(values[real])).astype(np.float32)
    return basis


def _product(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A matrix product without BLAS, whose threads wait busily, and whose sums depend on them."""
    found: npt.NDArray[Any] = np.einsum("ij,jk->ik", a, b)
    return found


def _words(
    names: list[str], matrix: _Matrix, labels: npt.NDArray[np.intp], k: int
) -> list[list[str]]:
    """Of each cluster, the words whose mean weight, times idf, is most above that in all."""
    flat = labels[matrix.row] * len(names) + matrix.column
    sums = np.bincount(flat, matrix.weight, k * len(names)).reshape(k, len(names))
    means = sums / np.maximum(np.bincount(labels, minlength=k), 1)[:, None]
    idf = np.log(len(labels) / np.bincount(matrix.column, minlength=len(names)))
    above = (means - sums.sum(axis=0) / len(labels)) * idf
    top = np.argsort(-above, axis=1, kind="stable")[:, :WORDS]
    return [[names[w] for w in row if above[c, w] > 0] for c, row in enumerate(top)]
