"""What occurs more than once inside a text: runs of n units, lines, paragraphs.

All texts of a batch at once. A run of n + 1 units can only occur twice where the runs of n units at
its place and at the next one do, so each n looks only at what n - 1 left over: after the pairs of
words, which are sorted all, little is left in honest text. This is exact, not a filter.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from danlu.data import units

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
U64 = npt.NDArray[np.uint64]
Bools = npt.NDArray[np.bool_]

_ORDER = np.uint64(0xD6E8FEB86659FD93)


@dataclass(frozen=True, slots=True)
class Repeats:
    """R places whose content occurs at least twice, equal ones next to each other, in order."""

    at: I64
    """[R]"""
    heads: Bools
    """[R] whether the place is the first of its content."""

    def later(self) -> I64:
        """Places whose content occurred before, in order."""
        return np.sort(self.at[~self.heads])


def repeats(keys: U64) -> Repeats:
    """The places of equal keys.

    Sorting numbers is several times faster than sorting their places, so that the places stand in
    the low bits of what is sorted; where the high bits did not tell keys apart, it is done again.

    >>> found = repeats(np.array([7, 5, 7, 6, 5, 7], np.uint64) << np.uint64(60))
    >>> found.at.tolist(), found.heads.tolist()
    ([1, 4, 0, 2, 5], [True, False, True, False, False])
    """
    size = len(keys)
    if size < 2:
        return Repeats(np.zeros(0, np.int64), np.zeros(0, np.bool_))
    low = np.uint64((1 << (size - 1).bit_length()) - 1)
    packed = np.sort((keys & ~low) | np.arange(size, dtype=np.uint64))
    at = (packed & low).astype(np.int64)
    same = (packed[1:] ^ packed[:-1]) <= low
    near = np.flatnonzero(same)
    if not np.array_equal(keys[at[near]], keys[at[near + 1]]):
        at = np.argsort(keys, kind="stable")
        same = keys[at[1:]] == keys[at[:-1]]
    after = np.append(False, same)  # equal to the one before
    before = np.append(same, False)
    members = np.flatnonzero(after | before)
    return Repeats(at[members], ~after[members])


def salted(keys: U64, groups: I64) -> U64:
    """[K] keys that are equal only within a group."""
    return keys + units.mixed(groups.astype(np.uint64) + np.uint64(1))


class Ngrams:
    """Repeated n-grams of the units of N texts, by growing n; what was computed is kept."""

    def __init__(self, hashes: U64, first: I64, lengths: I64) -> None:
        self.first = first
        self.count = len(first) - 1
        self.text = np.repeat(np.arange(self.count), np.diff(first))
        self.sums = np.concatenate([[0], np.cumsum(lengths)])
        self.characters = self.sums[first[1:]] - self.sums[first[:-1]]
        self._hashes = hashes
        self._keys = salted(hashes, self.text)
        self._levels: list[Repeats] = []

    def repeats(self, n: int) -> Repeats:
        """The places of units where an n-gram begins that occurs twice in its text; n ≥ 2."""
        while len(self._levels) < n - 1:
            self._levels.append(self._next(len(self._levels) + 2))
        return self._levels[n - 2]

    def _next(self, n: int) -> Repeats:
        open_ = np.zeros(len(self._hashes) + 1, np.bool_)
        if n == 2:
            open_[:-1] = True
            at = np.flatnonzero(self.text[1:] == self.text[:-1])
        else:
            open_[self._levels[-1].at] = True
            at = np.flatnonzero(open_[:-1] & open_[1:])
        keys = self._keys[at] * _ORDER + self._hashes[at + n - 1]
        self._keys[at] = keys
        found = repeats(keys)
        return Repeats(at[found.at], found.heads)

    def top(self, n: int, *, times: int = 2) -> F64:
        """[N] the share of characters in occurrences of the most frequent n-gram.

        Of equally frequent ones the longest counts; 0 where none occurs `times` times; at most 1.
        """
        found = self.repeats(n)
        heads = np.flatnonzero(found.heads)
        counts = np.diff(np.append(heads, len(found.at)))
        at = found.at[heads]
        sizes = self.sums[at + n] - self.sums[at]
        best = np.zeros(self.count, np.int64)
        np.maximum.at(best, self.text[at], (counts << 32) | sizes)
        counts, sizes = best >> 32, best & 0xFFFFFFFF
        share = counts * sizes / np.maximum(self.characters, 1)
        return np.where(counts >= times, np.minimum(share, 1.0), 0.0)

    def covered(self, n: int) -> F64:
        """[N] the share of characters in n-grams that occur more than once, counted once each."""
        covered = self._union(np.sort(self.repeats(n).at), n, self.sums)
        return covered / np.maximum(self.characters, 1)

    def covered_again(self, n: int, *, in_units: bool = False) -> F64:
        """[N] the share of characters, or of units, in n-grams that occurred before in the text."""
        sums = np.arange(len(self.sums)) if in_units else self.sums
        whole = sums[self.first[1:]] - sums[self.first[:-1]]
        return self._union(self.repeats(n).later(), n, sums) / np.maximum(whole, 1)

    def _union(self, at: I64, n: int, sums: I64) -> F64:
        """[N] what n-grams at sorted places cover together, measured by differences of `sums`."""
        begin = at.copy()
        begin[1:] = np.maximum(at[1:], at[:-1] + n)  # those of another text end before it begins
        sizes = sums[at + n] - sums[begin]
        sums_of = np.bincount(self.text[at], weights=sizes, minlength=self.count)
        return sums_of.astype(np.float64)  # of no places it gives integers
