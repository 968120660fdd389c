"""An n-gram model of characters that judges megabytes a second: how unlike a known text is another?

Interpolated modified Kneser-Ney smoothing, the same estimate as `danlu.evaluate.ngram.NGram` (Chen
& Goodman, TR-10-98, §3), in another shape. That one numbers grams of any length and vocabulary by
sorting and finds each by binary search, some 0.2 µs for a token and an order. Here a gram of
characters is one number of 64 bits and is found in a hash table by two look-ups without a branch
(cuckoo hashing: Pagh & Rodler 2004), so that numpy goes through a block of text in a few passes an
order. In the back-off form a gram that was seen has its whole probability in its own entry.

The alphabet is the characters that occur at least twice, at most 4,094 of them. All others are one
class, of which each member has 1/UNSEEN of its probability: a text in another alphabet is very
surprising, as it should be. Probabilities are kept in 1/1000 bit, so that sums are whole numbers
and the same everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
KeyArray = npt.NDArray[np.uint64]
FloatArray = npt.NDArray[np.float64]
Entries = npt.NDArray[np.uint32]

BOUNDARY, UNKNOWN = 0, 1
"""Ids of what stands around a text, and of any character that is not in the alphabet."""

UNSEEN = 150_000
"""How many characters share the class UNKNOWN: as many as Unicode has assigned."""

MAX_BITS = 12
ORDERS = ((10, 6), (MAX_BITS, 4))
"""Bits of an id, and the length of the longest gram with such ids; Han texts need 12 bits."""

UNITS = 16
"""Parts of a bit that probabilities are kept in."""

BLOCK = 1 << 13
"""Characters that are judged at once; their numbers fit into a core's cache."""

FALLBACK = (0.5, 1.0, 1.5)
"""Discounts where counts of counts cannot tell (KenLM's `--discount_fallback`)."""

_ODD = np.uint64(0x9E3779B97F4A7C15)

MARK_BITS, COST_BITS, BACKOFF_BITS = 14, 10, 8
"""What an entry of a table holds: part of the gram's hash, its cost, its cost as a context."""

_COST, _BACKOFF = np.uint32((1 << COST_BITS) - 1), np.uint32((1 << BACKOFF_BITS) - 1)
_MEMBER = np.uint32(round(UNITS * np.log2(UNSEEN)))
_UNMARKED = np.uint32((1 << COST_BITS + BACKOFF_BITS) - 1)


@dataclass(frozen=True, slots=True)
class _Level:
    """The grams of one order, sorted. U of them, W different contexts."""

    keys: KeyArray
    p: FloatArray
    """[U] p(last character | those before it), all shorter contexts mixed in."""
    contexts: KeyArray
    backoff: FloatArray
    """[W] the share of a context's probability that shorter contexts distribute."""

    def of(self, keys: KeyArray) -> FloatArray:
        """[N] the probabilities of some of its grams."""
        return self.p[np.searchsorted(self.keys, keys)]

    def backoff_after(self, keys: KeyArray) -> FloatArray:
        """[N] the back-off of some contexts; 1 where nothing was seen after one."""
        at = np.minimum(np.searchsorted(self.contexts, keys), len(self.contexts) - 1)
        return np.where(self.contexts[at] == keys, self.backoff[at], 1.0)


class CharacterNGram:
    """A model of characters.

    >>> model = CharacterNGram.fit(["the cat sat on the mat"] * 9)
    >>> known, mixed, other = model.bits(["the cat", "tac eht", "猫"]).tolist()
    >>> known < 7 < 30 < mixed, other > 17
    (True, True)
    """

    def __init__(
        self, ids: npt.NDArray[np.uint16], bits: int, levels: Sequence[_Level], uniform: float
    ) -> None:
        self.ids, self.id_bits, self.order = ids, bits, len(levels)
        """`ids` [0x110000] of each character; `order` is the longest gram's length."""
        first = np.full(1 << bits, levels[0].backoff[0] * uniform)
        first[levels[0].keys] = levels[0].p
        after = levels[1].backoff_after(np.arange(1 << bits, dtype=np.uint64))
        self._first = _cost(first, 31)
        self._first_backoff = _cost(after, BACKOFF_BITS)
        longer = [*levels[2:], None]
        self._tables = [_table(a, b) for a, b in zip(levels[1:], longer, strict=True)]

    @classmethod
    def fit(cls, texts: Iterable[str]) -> CharacterNGram:
        """A model of some texts, of which there must be one with two characters."""
        texts = list(texts)
        ids, bits = _alphabet(texts)
        order = next(order for most, order in ORDERS if bits <= most)
        stream, _, _ = _stream(texts, ids, order)
        uniform = 1 / (int(ids.max()) + 1)
        levels: list[_Level] = []
        for keys, counts in _counts(stream, order, bits):
            suffixes = keys & np.uint64((1 << bits * len(levels)) - 1)
            p_below = levels[-1].of(suffixes) if levels else uniform
            levels.append(_smoothed(keys, counts, p_below, bits))
        return cls(ids, bits, levels, uniform)

    def bits(self, texts: Sequence[str]) -> FloatArray:
        """[N] how surprising each text is: -log2 p of all its characters."""
        if not texts:
            return np.zeros(0)
        stream, starts, ends = _stream(texts, self.ids, self.order)
        before = self.order - 1
        costs = np.zeros(len(stream) + 1, np.int64)  # one more, for the end of the last text
        for start in range(before, len(stream), BLOCK):
            end = min(start + BLOCK, len(stream))
            costs[start:end] = self._costs(stream[start - before : end])
        edges = np.stack([starts, ends], axis=1).ravel()
        sums = np.add.reduceat(costs, edges)[::2]
        return np.where(ends > starts, sums, 0) / UNITS

    def _costs(self, stream: KeyArray) -> Entries:
        """[N - order + 1] -log2 p in UNITS of each id given those before it, from [N] ids."""
        key, costs = stream, self._first.take(stream.view(np.int64))
        backoff = self._first_backoff.take(stream.view(np.int64))
        for k, table in enumerate(self._tables, 1):
            key = (key[:-1] << np.uint64(self.id_bits)) | stream[k:]
            entries, missing = _find(table, key)
            shorter = costs[1:] + backoff[:-1]
            costs = ((entries >> np.uint32(BACKOFF_BITS)) & _COST) | (shorter & missing)
            backoff = entries & _BACKOFF
        return costs + (stream[self.order - 1 :] == UNKNOWN) * _MEMBER


def _alphabet(texts: Sequence[str]) -> tuple[npt.NDArray[np.uint16], int]:
    """[0x110000] the id of each character, and how many bits the ids need."""
    seen = np.bincount(_code_points("".join(texts)), minlength=0x110000)
    usual = np.argsort(-seen, kind="stable")[: (1 << MAX_BITS) - 2]
    usual = usual[seen[usual] > 1]
    ids = np.full(0x110000, UNKNOWN, np.uint16)
    ids[usual] = np.arange(2, len(usual) + 2)
    return ids, int(len(usual) + 1).bit_length()


def _code_points(text: str) -> npt.NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le"), dtype="<u4")


def _stream(
    texts: Sequence[str], ids: npt.NDArray[np.uint16], order: int
) -> tuple[KeyArray, IntArray, IntArray]:
    """The texts' ids one after the other with order - 1 boundaries before each; starts and ends."""
    pad = "\0" * (order - 1)
    sizes = np.fromiter(map(len, texts), np.int64, len(texts))
    ends = np.cumsum(sizes + order - 1)
    starts = ends - sizes
    stream = ids.take(_code_points(pad + pad.join(texts))).astype(np.uint64)
    for before in range(1, order):
        stream[starts - before] = BOUNDARY
    return stream, starts, ends


def _counts(stream: KeyArray, order: int, bits: int) -> list[tuple[KeyArray, IntArray]]:
    """By order, the grams and their counts: below the highest, how many different ones precede.

    >>> [counts.tolist() for _, counts in _counts(np.array([0, 1, 1, 1, 2, 1], np.uint64), 2, 2)]
    [[3, 1], [1, 2, 1, 1]]
    """
    keys = stream
    for k in range(1, order):
        keys = (keys[:-1] << np.uint64(bits)) | stream[k:]
    result = [np.unique(keys, return_counts=True)]
    for shorter in range(order - 1, 0, -1):
        suffixes = result[-1][0] & np.uint64((1 << bits * shorter) - 1)
        result.append(np.unique(suffixes, return_counts=True))
    return result[::-1]


def _smoothed(keys: KeyArray, counts: IntArray, p_below: Any, bits: int) -> _Level:
    """One order's probabilities from its counts and p(w | h without its first character).

    p(w | h) = (c(hw) - D(c(hw))) / c(h·)  +  backoff(h) * p_below
    """
    discount = np.array([0.0, *discounts(counts)])[np.minimum(counts, 3)]
    of_each = keys >> np.uint64(bits)
    contexts, starts, sizes = np.unique(of_each, return_index=True, return_counts=True)
    total = np.add.reduceat(counts, starts).astype(float)
    backoff = np.add.reduceat(discount, starts) / total
    p = (counts - discount) / total.repeat(sizes) + backoff.repeat(sizes) * p_below
    return _Level(keys, p, contexts, backoff)


def discounts(counts: IntArray) -> tuple[float, float, float]:
    """What is taken from counts of 1, of 2, and of 3 or more (Chen & Goodman, equation 26)."""
    n1, n2, n3, n4 = (int((counts == c).sum()) for c in (1, 2, 3, 4))
    if 0 in (n1, n2, n3, n4):
        return FALLBACK
    y = n1 / (n1 + 2 * n2)
    d1, d2, d3 = 1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3
    return (d1, d2, d3) if min(d1, d2, d3) > 0 else FALLBACK


def _cost(p: FloatArray, bits: int) -> Entries:
    """-log2 p in UNITS, as far as `bits` can tell."""
    return np.clip(np.rint(-UNITS * np.log2(p)), 0, (1 << bits) - 1).astype(np.uint32)


def _table(level: _Level, longer: _Level | None) -> Entries:
    """[S] a hash table of the level's grams, S a power of 2."""
    after = longer.backoff_after(level.keys) if longer else np.ones(len(level.keys))
    entries = (_cost(level.p, COST_BITS) << BACKOFF_BITS) | _cost(after, BACKOFF_BITS)
    size = 1 << max(int(2.2 * len(level.keys)).bit_length(), 4)
    while True:
        first, second, marks = _hashes(level.keys, size)
        owners = _placed(np.stack([first, second]), size)
        if owners is not None:
            break
        size *= 2
    table = np.zeros(size, np.uint32)
    taken = np.flatnonzero(owners >= 0)
    table[taken] = ((marks & ~_UNMARKED) | entries)[owners[taken]]
    return table


def _hashes(keys: KeyArray, size: int) -> tuple[IntArray, IntArray, Entries]:
    """[N] the two slots that a gram may be in, and 32 bits of which the highest are its mark.

    All are bits of a product with a large odd number, in which a bit has its effect on all that are
    higher (Knuth, volume 3, §6.4); so the lowest ones are of no use.
    """
    product = keys * _ODD
    slot_bits = size.bit_length() - 1
    first = product >> np.uint64(64 - slot_bits)
    below = (product >> np.uint64(64 - 2 * slot_bits)) & np.uint64(size - 1)
    marks = (product >> np.uint64(32 - slot_bits)).astype(np.uint32)
    return first.view(np.int64), (first ^ below).view(np.int64), marks


def _find(table: Entries, keys: KeyArray) -> tuple[Entries, Entries]:
    """[N] the entries of some grams, 0 where one is missing, and all bits set where it is missing.

    Another gram has the same mark with a chance of about 2⁻¹⁴; then the entry is a wrong one. Masks
    are used instead of `np.where`, which costs more than the look-ups.
    """
    first, second, marks = _hashes(keys, len(table))
    entries, others = table.take(first), table.take(second)
    here, there = _same(entries, marks), _same(others, marks)
    return (entries & here) | (others & there), ~(here | there)


def _same(entries: Entries, marks: Entries) -> Entries:
    """[N] all bits set where the highest MARK_BITS are the same, else none."""
    differ = (entries ^ marks) >> np.uint32(COST_BITS + BACKOFF_BITS)
    mask: Entries = ((differ.view(np.int32) - np.int32(1)) >> np.int32(31)).view(np.uint32)
    return mask


def _placed(slots: IntArray, size: int) -> IntArray | None:
    """[size] which gram is in each slot, -1 for none, given [2, U] slots; None where they clash.

    All grams move at once: who finds its slot taken throws the owner out, who must try its other.
    """
    owners = np.full(size, -1, np.int64)
    choice = np.zeros(slots.shape[1], np.int64)
    pending = np.arange(slots.shape[1])
    for _ in range(200):
        if not pending.size:
            return owners
        wanted = slots[choice[pending], pending]
        before = owners[wanted]
        owners[wanted] = pending
        won = owners[wanted] == pending
        thrown_out = before[won]
        pending = np.concatenate([pending[~won], thrown_out[thrown_out >= 0]])
        choice[pending] ^= 1
    return None
