"""MinHash signatures of documents, and the bands that near-duplicates share.

A signature is the smallest value of each of K hash functions over a document's shingles; the share
of equal places in two signatures estimates the Jaccard similarity of the two sets, with a standard
error of √(J(1 − J)/K) (Broder 1997). Cut into B bands of R places, two documents have a band in
common with probability 1 − (1 − Jᴿ)ᴮ: for 20 × 6, 0.998 at J = 0.8 and 0.27 at J = 0.5. So a shared
band makes a candidate, never a duplicate: candidates are verified by their exact similarity.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from danlu.data import units

U32 = npt.NDArray[np.uint32]
U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]

SHINGLE = 5
"""Words, or characters of scripts without spaces, in a shingle."""
CHUNK = 1 << 15
"""Shingles that are hashed at a time: they and their hashes stay in the processor's cache."""


@dataclass(frozen=True, slots=True)
class Bands:
    """How signatures are made: `bands` × `rows` hash functions."""

    bands: int = 20
    rows: int = 6

    @property
    def functions(self) -> int:
        """K, the length of a signature."""
        return self.bands * self.rows

    def chance(self, similarity: float) -> float:
        """The probability that two documents become candidates.

        >>> round(Bands().chance(0.8), 3), round(Bands().chance(0.5), 2)
        (0.998, 0.27)
        """
        return float(1 - (1 - similarity**self.rows) ** self.bands)

    def signatures(self, shingles: U64, first: I64) -> U32:
        """[N, K]; document i has the shingles `first[i]` to `first[i + 1]`, all zeros if none."""
        found = np.zeros((self.functions, len(first) - 1), np.uint32)
        some = np.flatnonzero(np.diff(first))
        starts, values = first[some], (shingles >> np.uint64(32)).astype(np.uint32)
        multiply, flip = self._functions()
        at = 0
        while at < len(some):
            to = max(at + 1, int(np.searchsorted(starts, starts[at] + CHUNK)))
            end = starts[to] if to < len(some) else len(values)
            chunk, inner = values[starts[at] : end], starts[at:to] - starts[at]
            hashed = np.empty_like(chunk)
            for k in range(self.functions):
                np.bitwise_xor(chunk, flip[k], out=hashed)
                np.multiply(hashed, multiply[k], out=hashed)
                found[k, some[at:to]] = np.minimum.reduceat(hashed, inner)
            at = to
        return np.ascontiguousarray(found.T)

    def keys(self, signatures: U32) -> U64:
        """[B, N] one number for each band of each document; equal bands have equal numbers."""
        wide = signatures.reshape(len(signatures), self.bands, self.rows).astype(np.uint64)
        found = np.zeros((self.bands, len(signatures)), np.uint64)
        for row in range(self.rows):
            found = units.mixed(found ^ wide[:, :, row].T)
        return found

    def _functions(self) -> tuple[U32, U32]:
        """[K] odd multipliers and [K] masks; the same on every machine."""
        drawn = units.mixed(np.arange(1, 2 * self.functions + 1, dtype=np.uint64))
        halves = (drawn >> np.uint64(32)).astype(np.uint32)
        return halves[: self.functions] | np.uint32(1), halves[self.functions :]


def similarity(a: U32, b: U32) -> npt.NDArray[np.float64]:
    """[P] the estimated Jaccard similarity of P pairs of signatures, each [P, K]."""
    return np.asarray((a == b).mean(axis=1))


def jaccard(a: U64, b: U64) -> float:
    """The exact similarity of two sets, given as sorted distinct numbers.

    >>> jaccard(np.array([1, 2, 3], np.uint64), np.array([2, 3, 4], np.uint64))
    0.5
    """
    both = np.concatenate([a, b])
    both.sort()
    shared = int((both[1:] == both[:-1]).sum())
    return shared / max(len(both) - shared, 1)
