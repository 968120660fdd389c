"""A sample of documents that does not depend on their order: those with the smallest hashes.

Bottom-k sampling (Cohen and Kaplan 2007, "Summarizing data using bottom-k sketches"): every
document gets a hash of its id, and the smallest ones are kept. So several processes can sample
parts of a corpus, and their samples merge to that of the whole; and of two versions of a corpus
the same documents are drawn, as far as both have them.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from hashlib import blake2b

MAX_BYTES = 5_000_000

_Row = tuple[int, str, str, tuple[str, ...], int]
"""Minus the hash, id, text, facts, bytes."""


@dataclass(slots=True)
class Sample:
    """Documents of at most `max_bytes` of text together, and at most `most` of them.

    >>> sample = Sample(most=2)
    >>> for n in range(1000):
    ...     sample.add(f"a.txt#{n}", f"text {n}")
    >>> [text for _, text, _ in sample.rows()]
    ['text 353', 'text 825']
    """

    most: int = 100_000
    max_bytes: int = MAX_BYTES
    seed: int = 0
    _kept: list[_Row] = field(default_factory=list)
    """A heap, the largest hash first."""

    _bytes: int = 0

    def wants(self, own_id: str) -> bool:
        """Whether a document would get in now; one that does not never will."""
        return not self._is_full or -_place(own_id, self.seed) > self._kept[0][0]

    def add(self, own_id: str, text: str, *facts: str) -> None:
        """Take a document if its hash is small enough; `facts` come back with it."""
        at = -_place(own_id, self.seed)
        if not self._is_full or at > self._kept[0][0]:
            self._push((at, own_id, text, facts, len(text.encode("utf-8", "surrogatepass"))))

    def merge(self, other: Sample) -> None:
        """Take what another sample of the same limits and seed has."""
        for row in other._kept:
            self._push(row)

    def rows(self) -> list[tuple[str, str, tuple[str, ...]]]:
        """Id, text and facts of the documents, in the order of their hashes."""
        return [(own_id, text, facts) for _, own_id, text, facts, _ in self._ordered()]

    @property
    def _is_full(self) -> bool:
        """Whether a document was turned away already, so that larger hashes have no chance."""
        return len(self._kept) >= self.most or self._bytes >= self.max_bytes

    def _ordered(self) -> list[_Row]:
        return sorted(self._kept, key=lambda row: (-row[0], row[1]))

    def _push(self, row: _Row) -> None:
        heapq.heappush(self._kept, row)
        self._bytes += row[-1]
        # what is left after the last document is taken out must still be full, or the order in
        # which documents come would matter
        while len(self._kept) > self.most or (
            len(self._kept) > 1 and self._bytes - self._kept[0][-1] >= self.max_bytes
        ):
            self._bytes -= heapq.heappop(self._kept)[-1]


def _place(own_id: str, seed: int) -> int:
    """A number below 2**64 that only depends on the id and the seed."""
    key = seed.to_bytes(8, "little", signed=True)
    digest = blake2b(own_id.encode("utf-8", "surrogatepass"), digest_size=8, key=key).digest()
    return int.from_bytes(digest, "big")
