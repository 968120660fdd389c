"""Self-BLEU (Zhu et al. 2018, Texygen, section 3): how much every document is like some other.

Each document of a sample is a hypothesis, all others are its references, and the result is the mean
BLEU-4 (Papineni et al. 2002): 0 for documents that share nothing, 1 for copies. The sentence BLEU
is that of sacrebleu (Post 2018) with its defaults: exponential smoothing (Chen and Cherry 2014,
method 3), effective order, closest reference length; the tests compare the two.

A document's clipped counts need the largest count among all *other* documents. For every n-gram the
two largest counts are enough: so the work is a sort of all n-grams, not a loop over pairs.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.int64]

MAX_ORDER = 4
SAMPLE = 500
"""Documents that are compared: the sample size of Texygen."""
MAX_UNITS = 128
"""Of a longer document, only its beginning is compared."""
MIN_UNITS = 8
"""Shorter documents are left out: their n-grams are all rare or all frequent."""


def self_bleu(documents: Sequence[Ids], *, seed: int = 0) -> float | None:
    """Mean BLEU-4 of documents against all others, from 0 to 1; None for fewer than two.

    Documents are given as numbered units; a large number of them is sampled with the seed.

    >>> round(self_bleu([np.arange(9), np.arange(9)]), 3)
    1.0
    >>> round(self_bleu([np.arange(9), np.arange(9, 18)]), 3)
    0.0
    """
    usable = [units[:MAX_UNITS] for units in documents if len(units) >= MIN_UNITS]
    if len(usable) < 2:
        return None
    if len(usable) > SAMPLE:
        chosen = np.random.default_rng(seed).choice(len(usable), SAMPLE, replace=False)
        usable = [usable[at] for at in np.sort(chosen)]
    return float(sentence_bleu(usable).mean())


def sentence_bleu(documents: Sequence[Ids]) -> npt.NDArray[np.float64]:
    """[documents] the BLEU of each against all others, from 0 to 1; all have MAX_ORDER units."""
    sizes = np.array([len(units) for units in documents])
    logs = np.zeros(len(documents))
    zeros = np.zeros(len(documents))
    for order in range(1, MAX_ORDER + 1):
        correct = _clipped(documents, order)
        total = sizes - order + 1
        zeros += correct == 0
        logs += np.log(np.where(correct > 0, correct, 0.5**zeros) / total) / MAX_ORDER
        logs[(order == 1) & (correct == 0)] = -np.inf  # no word in common: sacrebleu says 0
    return np.exp(logs + np.minimum(0, 1 - _closest(sizes) / sizes))


def _clipped(documents: Sequence[Ids], order: int) -> npt.NDArray[np.int64]:
    """[documents] n-grams that occur in another document too, each at most as often as there."""
    base = max(int(units.max()) for units in documents) + 1
    grams, owners = [], []
    for number, units in enumerate(documents):
        code = units[: len(units) - order + 1]
        for more in range(1, order):
            code = code * base + units[more : len(units) - order + 1 + more]
        grams.append(code)
        owners.append(np.full(len(code), number))
    return _count(np.concatenate(grams), np.concatenate(owners), len(documents))


def _count(grams: Ids, owners: Ids, documents: int) -> npt.NDArray[np.int64]:
    """Of each owner, the sum over its n-grams of min(own count, largest count of the others)."""
    pairs, counts = np.unique(np.stack([grams, owners]), axis=1, return_counts=True)
    order = np.lexsort((-counts, pairs[0]))  # by n-gram, the largest count first
    gram, owner, count = pairs[0][order], pairs[1][order], counts[order]
    begins = np.flatnonzero(np.append(True, gram[1:] != gram[:-1]))
    lengths = np.diff(np.append(begins, len(gram)))
    second = np.where(lengths > 1, count[np.minimum(begins + 1, len(gram) - 1)], 0)
    others = np.repeat(count[begins], lengths)
    others[begins] = second
    return np.bincount(owner, np.minimum(count, others), documents).astype(np.int64)


def _closest(sizes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """[documents] the length of another document that is nearest to its own, of two the shorter."""
    distance = np.abs(sizes[:, None] - sizes[None, :]).astype(np.float64)
    distance += (sizes[None, :] > sizes[:, None]) * 0.5
    np.fill_diagonal(distance, np.inf)
    return sizes[distance.argmin(axis=1)]
