"""Passages that two sets of texts share: runs of 13 words, or of 20 characters of Chinese.

A run counts as Chinese (or Japanese) if half of its units are single characters, so that mixed
texts need no decision. Word 13-grams are those of GPT-3 (Brown et al. 2020, appendix C). A text
that is shorter than a passage cannot be found again, and is counted as such.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from danlu.data import keys, units
from danlu.data.settings import ContaminationSettings

FILTER_BITS = 26
"""Size of the table that answers "certainly not" at once: 8 MB, for about a million passages."""


def passages(
    texts: pa.StringArray, settings: ContaminationSettings
) -> tuple[keys.U64, npt.NDArray[np.int64]]:
    """[G] hashes of all passages, and [G] whose they are."""
    of_texts = units.of(texts)
    wide = of_texts.kinds[of_texts.starts] == units.WIDE
    before = np.concatenate([[0], np.cumsum(wide)])
    found, owners = [], []
    for n, is_wide in ((settings.words, False), (settings.characters, True)):
        hashes, first = of_texts.grams(n)
        sizes = np.diff(first)
        own = np.repeat(np.arange(len(sizes)), sizes)
        start = np.arange(len(hashes)) - np.repeat(first[:-1], sizes) + of_texts.first[:-1][own]
        many = 2 * (before[start + n] - before[start]) >= n
        chosen = many == is_wide
        found.append(hashes[chosen])
        owners.append(own[chosen])
    return np.concatenate(found), np.concatenate(owners)


@dataclass(frozen=True)
class Known:
    """A set of passages to look for."""

    hashes: keys.U64
    """Sorted, each once."""
    table: npt.NDArray[np.uint8]
    """A bit for each beginning of a hash that there is."""

    @classmethod
    def of(cls, hashes: keys.U64) -> Known:
        """From sorted distinct hashes."""
        table = np.zeros(1 << (FILTER_BITS - 3), np.uint8)
        place = (hashes >> np.uint64(64 - FILTER_BITS)).astype(np.int64)
        np.bitwise_or.at(table, place >> 3, (1 << (place & 7)).astype(np.uint8))
        return cls(hashes, table)

    def shares(
        self, texts: pa.StringArray, settings: ContaminationSettings
    ) -> npt.NDArray[np.float64]:
        """[N] the share of each text's passages that are known; 0 for a text without passages."""
        hashes, own = passages(texts, settings)
        place = (hashes >> np.uint64(64 - FILTER_BITS)).astype(np.int64)
        maybe = np.flatnonzero((self.table[place >> 3] >> (place & 7).astype(np.uint8)) & 1)
        hit = maybe[keys.contained(hashes[maybe], self.hashes)]
        hits = np.bincount(own[hit], minlength=len(texts))
        return hits / np.maximum(np.bincount(own, minlength=len(texts)), 1)


def collected(batches: Iterable[pa.StringArray], settings: ContaminationSettings) -> keys.U64:
    """The distinct passages of all texts, sorted."""
    found = [np.unique(passages(texts, settings)[0]) for texts in batches]
    return np.unique(np.concatenate([np.zeros(0, np.uint64), *found]))
